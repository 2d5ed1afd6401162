package webhooktest

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Sample is the body of one delivery.
type Sample struct {
	// Name distinguishes samples of the same type.
	Name string

	// Type is the event's type as the vendor writes it.
	Type string

	// Documented reports that the body is from the vendor's page. Otherwise it is our best guess.
	Documented bool

	// Body is the body with its original date. See [Signer.Stamp].
	Body []byte
}

// ReadSamples reads the bodies in samples/*.json. Their names are the file names without the ending. Use it for samples from
// the vendor's page and for captured deliveries. The result has the order of the profile's types, and of the names within a
// type. A profile without types has samples of any type, sorted. The arguments in documented name the samples that are from
// the vendor's page.
//
// It panics if a type has no sample, if the type of a body is not in the profile, or if a documented name has no file. Each
// call reads the files again.
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
		e, _ := p.ReadEnvelope(body) // empty if it is not a JSON object
		s := Sample{Name: name, Type: e.Type, Documented: slices.Contains(documented, name), Body: body}
		byType[s.Type] = append(byType[s.Type], s)
	}
	var samples []Sample
	if len(p.Events) == 0 { // the user defines the types
		for _, eventType := range slices.Sorted(maps.Keys(byType)) {
			samples = append(samples, byType[eventType]...)
		}
		return samples
	}
	for _, kind := range p.Events {
		if len(byType[kind.Name()]) == 0 {
			panic(fmt.Sprintf("webhooktest: the type %q of %s has no sample", kind.Name(), p.Name))
		}
		samples = append(samples, byType[kind.Name()]...)
		delete(byType, kind.Name())
	}
	for _, unknown := range byType {
		panic(fmt.Sprintf("webhooktest: the sample %q is of the type %q, which %s does not have", unknown[0].Name, unknown[0].Type, p.Name))
	}
	return samples
}

// sampleNames returns the sorted names of the files without their ending.
func sampleNames(files fs.FS) []string {
	paths, _ := fs.Glob(files, "samples/*.json") // the only possible error is a bad pattern
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = strings.TrimSuffix(path.Base(p), ".json")
	}
	slices.Sort(names)
	return names
}
