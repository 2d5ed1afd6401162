package workflux

// A Channel is where a conversation takes place. WorkFlux publishes no list: expect values without a constant here.
type Channel string

// The channels that the Webhooks Guide shows.
const (
	ChannelChat Channel = "chat"
)

// An IntegrationType is the system that an integration connects to. WorkFlux publishes no list: expect values without
// a constant here.
type IntegrationType string

// The types of integration that the Webhooks Guide shows.
const (
	IntegrationTypeSalesforce IntegrationType = "salesforce"
)

// A SyncType says how much was synchronized. WorkFlux publishes no list: expect values without a constant here.
type SyncType string

// The types of synchronization that the Webhooks Guide shows.
const (
	SyncTypeFull SyncType = "full"
)

// A SyncStatus is how a synchronization ended. WorkFlux publishes no list: expect values without a constant here.
type SyncStatus string

// The results that the Webhooks Guide shows.
const (
	SyncStatusSuccess SyncStatus = "success"
)
