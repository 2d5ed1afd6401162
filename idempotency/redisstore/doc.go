// Package redisstore is an [idempotency.Store] on Redis, for services that run as several processes or machines.
//
// The module needs Go 1.25 or later.
//
// It is for recognising duplicates: what it loses, by a setting below or by a failover, is run once more. It is not the
// place for deliveries that were acknowledged and have yet to run; those belong into an inbox.
//
// # What it needs
//
// A Redis, alone, behind Sentinel, or as a Redis Cluster. It is tested with Redis 7.0, alone and as a cluster, and uses
// nothing newer than Redis 5. Each call is one script on one key, on the clock of the server that has the key. A completed
// key takes about 260 bytes of Redis's memory.
//
// # Permissions
//
// A user of Redis's ACLs needs no more than
//
//	ACL SETUSER app on >PASSWORD ~NAMESPACE:* +evalsha +eval +time +hmget +hset +hdel +pexpire
//
// In a cluster, on every server, the user also needs
//
//	+cluster|slots +command
//
// of which go-redis uses the first to find the servers. It asks for the second before each call until it gets an
// answer. For [New] to check the settings, add +config|get. A call without a permission fails, and the receiver
// responds 503. The user of Sentinel is another one, on the sentinels: see Redis's documentation.
//
// # Settings of the server
//
//	setting           needed      what any other costs
//	maxmemory-policy  noeviction  Redis evicts keys when its memory is full: an evicted key was completed, and its
//	                              duplicate runs again, or is in flight, and runs twice at once. With noeviction, a
//	                              full server refuses new keys (idempotency.ErrFull, answered 503) and takes
//	                              completions and releases all the same.
//	appendonly        yes         A restart forgets every key since the last snapshot, or all.
//	appendfsync       always      With everysec, a crash of the machine forgets about the last second; with no, what the
//	                              kernel had not written yet. A crash of Redis alone forgets nothing.
//
// New logs a warning for each that it can see to be wrong, and one if it cannot look: managed services forbid CONFIG.
//
// Replication is asynchronous, whatever the settings: a failover can forget the claims and completions of the last
// moments, and their duplicates run again; min-replicas-to-write makes the gap smaller. A redis.Ring moves keys to other
// servers whenever one is down, and forgets them by that: do not use one. Should the server's clock be set
// forward, leases and retention end early by as much.
//
// A claim that Redis runs after the caller has gone, because Redis was paused say, holds its key until it is released;
// [idempotency.Guard] does that, and tries again until the lease ends.
//
// # Settings of the client
//
// go-redis heeds the deadline of a context only if redis.Options.ContextTimeoutEnabled is set. Set it: otherwise each
// call to a Redis that hangs keeps a goroutine and a connection for ReadTimeout, as many times as MaxRetries says. A
// sender is answered in time all the same, because the Guard bounds every call. A context that is cancelled does not end
// a call that waits for its answer; ReadTimeout does.
//
// A command whose answer was lost is sent again by go-redis. That is harmless: a claim that comes twice is answered as it
// was the first time.
package redisstore
