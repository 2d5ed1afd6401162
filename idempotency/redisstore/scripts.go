package redisstore

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed claim.lua
	claimSource string

	//go:embed complete.lua
	completeSource string

	//go:embed release.lua
	releaseSource string

	//go:embed renew.lua
	renewSource string
)

// Each operation is one script on one key, so that it runs on the cluster node that has the key.
var (
	claimScript    = redis.NewScript(claimSource)
	completeScript = redis.NewScript(completeSource)
	releaseScript  = redis.NewScript(releaseSource)
	renewScript    = redis.NewScript(renewSource)
)

// The results of claim.lua.
const (
	acquired  = 1
	inFlight  = 2
	completed = 3
)
