package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// newConnections is how many new connections a call tries, one after the other, if the server refuses writes.
const newConnections = 3

// runOn runs statements on db. After a failover, the pool may keep connections to the previous primary, which now refuses
// writes. Such a server has not done the statements, so runOn closes the connection and tries another. It stops when
// newConnections new connections were refused as well.
func (d *Dialect) runOn(ctx context.Context, db *sql.DB, f func(Conn) error) error {
	err := f(db)
	if d.readOnly == nil {
		return err
	}
	for opened := 0; opened < newConnections && d.readOnly(err); {
		if s := db.Stats(); s.Idle == 0 && (s.MaxOpenConnections == 0 || s.OpenConnections < s.MaxOpenConnections) {
			opened++ // no idle connection: db.Conn opens a new one, or takes one that another call returns
		}
		conn, connErr := db.Conn(ctx)
		if connErr != nil {
			return connErr
		}
		if err = f(conn); d.readOnly(err) {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // makes the pool close it
		}
		_ = conn.Close() // returns it to the pool, unless it is closed
	}
	return err
}
