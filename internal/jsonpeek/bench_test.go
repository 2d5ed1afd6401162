package jsonpeek

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

var envelope = []string{"type", "id", "timestamp", "data"}

// conversation is a compact body like those of the vendors: an envelope with nested data.
func conversation(turns int) []byte {
	type object = map[string]any
	var messages []object
	for i := range turns {
		messages = append(messages, object{
			"id": fmt.Sprintf("msg_%08d", i), "role": "user", "index": i, "flagged": false, "parent": nil, "score": 0.8125,
			"content": "The export still fails.\nI have tried \"again\" twice – please help me, this is the third time I ask.",
			"usage":   object{"input_tokens": 812, "output_tokens": 95, "models": []string{"small", "large"}},
		})
	}
	doc, err := json.Marshal(struct {
		Type      string `json:"type"`
		ID        string `json:"id"`
		Timestamp string `json:"timestamp"`
		Data      object `json:"data"`
	}{"conversation.frustration", "evt_01J9ZQ5V7C", "2025-11-03T09:15:00.123Z", object{
		"conversation_id": "conv_5512", "messages": messages, "scores": object{"frustration": 0.91, "sentiment": -0.4},
	}})
	if err != nil {
		panic(err)
	}
	return doc
}

func indented(doc []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, doc, "", "  "); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func bodies() map[string][]byte {
	return map[string][]byte{
		"small":         conversation(1),
		"4KiB":          conversation(14),
		"4KiB-indented": indented(conversation(8)),
		"64KiB":         conversation(230),
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	docs := bodies()
	docs["64 levels"] = []byte(nested(64, "[", "]"))
	docs["keys to fold and to unescape"] = []byte(`{"TYPE":1,"\u0049d":2,"time\u017ftamp":3,"datÉ":4,"Data":5}`)
	for name, doc := range docs {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			var values [4][]byte
			if err := Scan(doc, envelope, values[:]); err != nil {
				t.Fatal(err)
			}
		}), name)
	}
}

func TestScanAllocatesOnceForADeepDocument(t *testing.T) {
	doc := []byte(nested(maxDepth, `{"b":`, "}"))
	require.Equal(t, 1, int(testing.AllocsPerRun(10, func() {
		if err := Scan(doc, nil, nil); err != nil {
			t.Fatal(err)
		}
	})))
}

func TestStringAllocatesTheStringOnly(t *testing.T) {
	for raw, allocs := range map[string]int{
		`"evt_01J9ZQ5V7CQ8N3M4K2X6T0YBWD_01J9ZQ5V7CQ8N3M4K2X6T0YBWD"`:          1,
		`"a line\nanother line\u00e9\ud83d\ude00 and one more line of text"`:   1,
		"\"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\"": 1,
		`""`:          0,
		`{"a":1}`:     0,
		`"a\nb" junk`: 0,
	} {
		doc := []byte(raw)
		require.Equal(t, allocs, int(testing.AllocsPerRun(100, func() { kept, _ = String(doc) })), raw)
	}
}

var kept string // prevents the compiler from removing the measured code

func BenchmarkString(b *testing.B) {
	for name, raw := range map[string]string{
		"id":      `"evt_01J9ZQ5V7CQ8N3M4K2X6T0YBWD"`,
		"escaped": `"The export still fails.\nI have tried \"again\" twice \u2013 please help me."`,
	} {
		doc := []byte(raw)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				kept, _ = String(doc)
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	for name, doc := range bodies() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				var values [4][]byte
				if err := Scan(doc, envelope, values[:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodingJSONValid(b *testing.B) {
	for name, doc := range bodies() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if !json.Valid(doc) {
					b.Fatal()
				}
			}
		})
	}
}

func BenchmarkEncodingJSONUnmarshal(b *testing.B) {
	for name, doc := range bodies() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				var e struct {
					Type      string          `json:"type"`
					ID        string          `json:"id"`
					Timestamp string          `json:"timestamp"`
					Data      json.RawMessage `json:"data"`
				}
				if err := json.Unmarshal(doc, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
