package storetest

import "testing"

// TestPromotedStandby has what was acknowledged, and so has the crashed server after its next start.
func TestPromotedStandby(t *testing.T) {
	primary := NewServer(t)
	primary.execute("CREATE TABLE things (n INTEGER)")
	standby := primary.Standby()
	primary.execute("INSERT INTO things VALUES (1)")
	primary.Crash()
	standby.Promote()
	if n := number(t, open(t, primary.URL(standby)), "SELECT count(*) FROM things"); n != 1 {
		t.Errorf("the standby has %d things", n)
	}
	primary.Start()
	if n := number(t, open(t, primary.URL()), "SELECT count(*) FROM things"); n != 1 {
		t.Errorf("the first server has %d things", n)
	}
}

// TestPooled opens two transactions at once, which need two connections.
func TestPooled(t *testing.T) {
	db := open(t, Pooled(t, Postgres(t))+"&default_query_exec_mode=exec")
	held, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Rollback()
	first := 0
	if err := held.QueryRow("SELECT pg_backend_pid()").Scan(&first); err != nil {
		t.Fatal(err)
	}
	if number(t, db, "SELECT pg_backend_pid()") == first {
		t.Error("two transactions share a connection")
	}
}
