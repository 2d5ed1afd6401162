package redisstore

// ClaimSource is the script of a claim, for benchmarks that send it without the store.
var ClaimSource = claimSource
