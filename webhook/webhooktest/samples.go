package webhooktest

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Sample is the body of one delivery.
type Sample struct {
	// Name tells samples of one type apart.
	Name string

	// Type is the event's type as the vendor writes it.
	Type string

	// Documented says that the body stands on the vendor's own page. Otherwise it is our best guess.
	Documented bool

	// Body is the body, with the time at which it was written down; see [Signer.Stamp].
	Body []byte
}

// ReadSamples returns the bodies that stand in samples/*.json, named after their files: for a vendor's own samples, or
// for deliveries that you have captured. They come in the order of the profile's types, and of their names within a
// type. The documented are those that stand on the vendor's own page.
//
// It panics if a type has no sample, a body none of the types, or a documented name no file. Each call reads anew.
func ReadSamples(files fs.FS, p vendors.Profile, documented ...string) []Sample {
	names := sampleNames(files)
	for _, name := range documented {
		if !slices.Contains(names, name) {
			panic(fmt.Sprintf("webhooktest: there is no sample %q", name))
		}
	}
	byType := make(map[string][]Sample)
	for _, name := range names {
		body, err := fs.ReadFile(files, "samples/"+name+".json")
		if err != nil {
			panic(fmt.Sprintf("webhooktest: %v", err))
		}
		e, _ := p.ReadEnvelope(body) // empty if it is no JSON object
		s := Sample{Name: name, Type: e.Type, Documented: slices.Contains(documented, name), Body: body}
		byType[s.Type] = append(byType[s.Type], s)
	}
	var samples []Sample
	for _, kind := range p.Events {
		if len(byType[kind.Name()]) == 0 {
			panic(fmt.Sprintf("webhooktest: the type %q of %s has no sample", kind.Name(), p.Name))
		}
		samples = append(samples, byType[kind.Name()]...)
		delete(byType, kind.Name())
	}
	for _, alien := range byType {
		panic(fmt.Sprintf("webhooktest: the sample %q is of the type %q, which %s does not have", alien[0].Name, alien[0].Type, p.Name))
	}
	return samples
}

// sampleNames returns the names of the files without their ending, in order.
func sampleNames(files fs.FS) []string {
	paths, _ := fs.Glob(files, "samples/*.json") // the pattern is a good one
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = strings.TrimSuffix(path.Base(p), ".json")
	}
	slices.Sort(names)
	return names
}
