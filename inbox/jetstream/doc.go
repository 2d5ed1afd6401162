// Package jetstreaminbox is the inbox on NATS JetStream.
package jetstreaminbox
