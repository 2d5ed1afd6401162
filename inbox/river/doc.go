// Package riverinbox is an inbox on River, a queue in PostgreSQL.
package riverinbox
