// Package redisstore is an [idempotency.Store] on Redis, for services that run as several processes or machines.
//
// The module needs Go 1.25 or later.
//
// Use it to recognize duplicates. A wrong setting or a failover can lose keys, and their duplicates then run again. Do not
// use it to keep acknowledged deliveries that have not run yet. Use an inbox for those.
//
// # Requirements
//
// It needs one Redis, a Redis behind Sentinel, or a Redis Cluster. It is tested with Redis 7.0, as a single server and as
// a cluster, and uses only features of Redis 5. Each call runs one script on one key. It uses the clock of the server that
// has the key. A completed key takes about 260 bytes of Redis's memory.
//
// # Permissions
//
// The Redis user needs only these permissions:
//
//	ACL SETUSER app on >PASSWORD ~NAMESPACE:* +evalsha +eval +time +hmget +hset +hdel +pexpire
//
// In a cluster, the user also needs these permissions on every server:
//
//	+cluster|slots +command
//
// go-redis uses the first to find the servers. It tries the second before each call until it succeeds. To let [New] check
// the settings, add +config|get. A call without a permission fails, and the receiver responds 503. Sentinel has its own
// users on the sentinels; see Redis's documentation.
//
// # Settings of the server
//
//	setting           required    effect of another value
//	maxmemory-policy  noeviction  Redis evicts keys when its memory is full. The duplicate of an evicted completed key
//	                              runs again. The duplicate of an evicted key in flight runs at the same time. With
//	                              noeviction, a full server refuses new keys (idempotency.ErrFull, status 503), but
//	                              accepts renewals, completions and releases.
//	appendonly        yes         A restart forgets all keys since the last snapshot, or all keys.
//	appendfsync       always      With everysec, a crash of the machine forgets about the last second. With no, it
//	                              forgets what the kernel had not written. A crash of Redis alone forgets nothing.
//
// New logs a warning for each wrong setting. It logs one warning if it cannot read the settings, because managed services
// forbid CONFIG.
//
// Replication is asynchronous with any settings. A failover can forget the last claims and completions, and their
// duplicates then run again. min-replicas-to-write makes this period shorter. Do not use a redis.Ring: it moves keys to
// other servers when one is down, and so forgets them. If the server's clock is set forward, leases and retention end
// early by the same time.
//
// Redis can run a claim after its caller has given up, for example because Redis was paused. Such a claim holds its key
// until it is released. [idempotency.Guard] releases it, and retries until the lease ends.
//
// # Settings of the client
//
// Set redis.Options.ContextTimeoutEnabled. Without it, go-redis ignores the deadline of a context. Each call to a Redis
// that hangs then keeps a goroutine and a connection for ReadTimeout, up to MaxRetries times. The sender still gets a
// response in time, because the Guard bounds every call. Canceling a context does not end a call that waits for its
// reply; only ReadTimeout does.
//
// go-redis sends a command again if its reply was lost. That is harmless: the second copy of a claim gets the reply of the
// first.
package redisstore
