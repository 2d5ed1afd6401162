// Package agent serves an inbox to AI agents, over the Model Context Protocol. The command is `aihooks mcp`.
//
// # Safety
//
// Bodies, ids and errors may contain text of end users, and an agent may take such text for instructions. So each result
// encloses all of it in a fence: two lines with a random token, which no stored text can contain. Text outside the fence is
// written by this package alone. Results have no structured content, because that cannot be fenced.
//
// The tools that change entries exist only with [Options].Write. They need a reason, which the audit of the inbox records
// with the name of the agent. A change by filter needs the number of entries that the agent expects.
package agent
