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
)

// One script a verb, one key a script, so that each runs on whatever node of a cluster the key is on.
var (
	claimScript    = redis.NewScript(claimSource)
	completeScript = redis.NewScript(completeSource)
	releaseScript  = redis.NewScript(releaseSource)
)

// What claim.lua answers.
const (
	acquired  = 1
	inFlight  = 2
	completed = 3
)
