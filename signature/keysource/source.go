package keysource

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/aihooks/aihooks-go/signature"
)

// A Source has signing keys. Its errors must not contain a secret, because they are logged.
type Source interface {
	// Keys returns all keys that must be live now. It should return when ctx ends.
	Keys(ctx context.Context) ([]signature.Key, error)
}

// SourceFunc makes a function a [Source], such as one that calls the client of a secrets manager.
type SourceFunc func(ctx context.Context) ([]signature.Key, error)

// Keys calls f.
func (f SourceFunc) Keys(ctx context.Context) ([]signature.Key, error) { return f(ctx) }

// maxFile is the maximum size of a file in bytes. A larger file is a mistake, such as the path of a log.
const maxFile = 4 << 10

// maxTries is how often a folder is read that changes meanwhile.
const maxTries = 3

// File returns a source with one key: the content of the file, without one line break (LF or CRLF) at its end. The key has
// the name of the file. Other whitespace is part of the secret.
//
// Keys returns an error if the file cannot be read, is not a regular file, is blank, or has more than 4 KiB. To change the
// secret, rename a complete file over it: a file that is written in place may be read before it is complete.
func File(path string) Source {
	return SourceFunc(func(context.Context) ([]signature.Key, error) {
		info, err := os.Stat(path) // opening a pipe would wait for its writer
		if err != nil {
			return nil, fmt.Errorf("keysource: %w", err)
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("keysource: %s must be a regular file", path)
		}
		key, err := readKey(path)
		return []signature.Key{key}, err
	})
}

// Dir returns a source with one key for each regular file in the folder, in the order of their names. Each file is read like
// a [File]. Dir follows symbolic links. It ignores folders and names that begin with a dot. The folder must contain nothing
// else: each file in it can sign.
//
// Keys returns an error if one of the files cannot be read as a File, if there is no file, or if there are more than
// [signature.MaxKeys].
func Dir(path string) Source {
	// In a volume of Kubernetes, the files are links through the link ..data, which is replaced when a file changes.
	// Reading its target returns the files of one version. The old version is removed after that, so a version that is
	// still current at the end was read in full.
	current := filepath.Join(path, "..data")
	return SourceFunc(func(context.Context) ([]signature.Key, error) {
		for range maxTries {
			version, err := filepath.EvalSymlinks(current)
			if err != nil {
				return readFolder(path)
			}
			keys, err := readFolder(version)
			if now, _ := filepath.EvalSymlinks(current); now == version {
				return keys, err
			}
		}
		return nil, fmt.Errorf("keysource: %s must not change while it is read", path)
	})
}

// readFolder returns the keys of the files in a folder.
func readFolder(path string) ([]signature.Key, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("keysource: %w", err)
	}
	var files []string
	for _, e := range entries {
		file := filepath.Join(path, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := os.Stat(file)
		if err != nil {
			return nil, fmt.Errorf("keysource: %w", err)
		}
		if info.Mode().IsRegular() {
			files = append(files, file)
		}
		if len(files) > signature.MaxKeys {
			return nil, fmt.Errorf("keysource: %s must have at most %d files", path, signature.MaxKeys)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("keysource: %s must have a file for each key, but has none", path)
	}
	keys := make([]signature.Key, len(files))
	for i, file := range files {
		if keys[i], err = readKey(file); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// readKey returns the key of a regular file.
func readKey(path string) (signature.Key, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the user's
	if err != nil {
		return signature.Key{}, fmt.Errorf("keysource: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return signature.Key{}, fmt.Errorf("keysource: %w", err)
	}
	if len(content) > maxFile {
		return signature.Key{}, fmt.Errorf("keysource: %s must have at most %d bytes", path, maxFile)
	}
	secret, ended := strings.CutSuffix(string(content), "\n")
	if ended {
		secret = strings.TrimSuffix(secret, "\r")
	}
	key := signature.NewKey(filepath.Base(path), secret)
	if key.Secret.Blank() {
		return signature.Key{}, fmt.Errorf("keysource: %s must contain a secret, but is blank", path)
	}
	return key, nil
}
