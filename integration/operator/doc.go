// Package operator tests that an operator sees and does the same with every engine, by the tool, and an AI agent as well.
package operator
