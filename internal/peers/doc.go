// Package peers has no code: its tests run the vectors of signature/testdata against the verifiers of other libraries
// and write down where they judge otherwise, and check the vectors against their schema. It is a module of its own,
// because the root module requires none of them.
package peers
