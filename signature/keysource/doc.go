// Package keysource reads signing keys from a file, a folder or a secrets manager, and exchanges them while a handler serves.
//
//	source := keysource.Dir("/etc/webhook-keys") // one file for each key
//	keys, err := source.Keys(ctx)
//	if err != nil {
//		return err // the service must not start without keys
//	}
//	hook, err := convosphere.Config{Keys: keys}.NewHandler(nil)
//	if err != nil {
//		return err
//	}
//	go keysource.Watch(ctx, source, hook.SetKeys, nil)
//
// # Kubernetes
//
// Mount a Secret as a volume and pass its folder to [Dir]. Each entry of the Secret is a key. Kubernetes replaces all files
// of the volume at once, usually within two minutes of a change, and Dir reads the files of one version. Do not mount with
// subPath, because Kubernetes never updates such a file.
//
// # Rotation
//
// Use [Dir], because both keys must be valid until the sender has changed. First add a file with the new secret, such as
// 2026-11. Set the secret at the sender. Delete the old file once no Observation has the old name in SignedBy.
package keysource
