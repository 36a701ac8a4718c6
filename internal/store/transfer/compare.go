package transfer

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
)

// queryer is a connection or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// compare returns the numbers of rows and the checksums of the tables. It returns an error unless they are the same in
// both databases.
func compare(ctx context.Context, from, to queryer, tables []table) ([]Table, error) {
	result := make([]Table, len(tables))
	for i, t := range tables {
		here, err := sum(ctx, from, t)
		if err != nil {
			return nil, err
		}
		there, err := sum(ctx, to, t)
		if err != nil {
			return nil, err
		}
		if here != there {
			return nil, fmt.Errorf("table %s arrived with %d rows and checksum %s instead of %d and %s",
				t.name, there.Rows, there.Checksum, here.Rows, here.Checksum)
		}
		result[i] = here
	}
	return result, nil
}

// sum returns the number of rows and the checksum of a table: the sum of the hashes of its rows, as their order differs
// between the engines.
func sum(ctx context.Context, q queryer, t table) (Table, error) {
	rows, total := int64(0), [4]uint64{}
	hash := sha256.New()
	var text []byte
	err := forEachRow(ctx, q, t, func(row []any) error {
		text = text[:0]
		for i, value := range row {
			var err error
			if text, err = appendValue(text, value); err != nil {
				return fmt.Errorf("%s: %w", t.columns[i], err)
			}
		}
		hash.Reset()
		hash.Write(text)
		digest := hash.Sum(nil)
		for i := range total {
			total[i] += binary.BigEndian.Uint64(digest[8*i:])
		}
		rows++
		return nil
	})
	var checksum []byte
	for _, part := range total {
		checksum = binary.BigEndian.AppendUint64(checksum, part)
	}
	return Table{t.name, rows, hex.EncodeToString(checksum)}, err
}

// appendValue appends an encoding of a value that differs for different values. Booleans are 1 and 0, as in SQLite.
func appendValue(to []byte, value any) ([]byte, error) {
	kind, text := byte('x'), []byte(nil)
	switch v := value.(type) {
	case nil:
		return append(to, 'n'), nil
	case bool:
		kind, text = 'i', []byte("0")
		if v {
			text = []byte("1")
		}
	case int64:
		kind, text = 'i', strconv.AppendInt(nil, v, 10)
	case string:
		kind, text = 't', []byte(v)
	case []byte:
		text = v
	default:
		return nil, fmt.Errorf("there is no checksum of a %T", value)
	}
	to = binary.BigEndian.AppendUint64(append(to, kind), uint64(len(text)))
	return append(to, text...), nil
}

// forEachRow calls f with every row of a table: its columns as the driver returns them.
func forEachRow(ctx context.Context, q queryer, t table, f func(row []any) error) error {
	rows, err := q.QueryContext(ctx, t.selectAll())
	if err != nil {
		return err
	}
	defer rows.Close()
	row, dest := make([]any, len(t.columns)), make([]any, len(t.columns))
	for i := range row {
		dest[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// selectStrings returns the rows of a query with one column.
func selectStrings(ctx context.Context, q queryer, query string, args ...any) (values []string, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, rows.Err()
}
