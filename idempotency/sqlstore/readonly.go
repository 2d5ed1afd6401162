package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// newConnections is how many connections a call opens, one after the other, to a server that refuses writes.
const newConnections = 3

// runOn runs statements on db. After a failover a pool may keep connections to the server that was the primary, and
// that refuses writes now. It did nothing then, so the statements are run on other connections, and each that the server
// refuses to write on is closed, until the pool has none left that it kept, and new ones reach no other server.
func (d *Dialect) runOn(ctx context.Context, db *sql.DB, f func(Conn) error) error {
	err := f(db)
	if d.readOnly == nil {
		return err
	}
	for opened := 0; opened < newConnections && d.readOnly(err); {
		if s := db.Stats(); s.Idle == 0 && (s.MaxOpenConnections == 0 || s.OpenConnections < s.MaxOpenConnections) {
			opened++ // or another call is just giving one back
		}
		conn, connErr := db.Conn(ctx)
		if connErr != nil {
			return connErr
		}
		if err = f(conn); d.readOnly(err) {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // which has the pool close it
		}
		_ = conn.Close() // back to the pool, unless it is closed already
	}
	return err
}
