package store

import (
	"database/sql"
	"time"
)

// micros returns a time as the databases store it: microseconds since 1970, UTC.
func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func fromNullMicros(micros sql.Null[int64]) *time.Time {
	if !micros.Valid {
		return nil
	}
	t := fromMicros(micros.V)
	return &t
}

func fromNull[T any](value sql.Null[T]) *T {
	if !value.Valid {
		return nil
	}
	return &value.V
}
