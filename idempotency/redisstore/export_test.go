package redisstore

// ClaimSource is the script of a claim, for benchmarks that send it by hand.
var ClaimSource = claimSource
