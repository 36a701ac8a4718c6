package store

import (
	"slices"
	"strings"
	"testing"

	"latchkey/internal/account"
)

// TestPagesUseAnIndex checks the query plans of pages: an index that has the selected rows in the right order, used from
// the cursor on, so that the cost does not grow with the table.
func TestPagesUseAnIndex(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		fill(t, s, 5_000)
		yes, no := true, false
		for order, field := range orders {
			for _, direction := range []account.OrderDirection{account.Ascending, account.Descending} {
				for _, test := range []struct {
					index     string
					selection account.Selection
				}{
					{"profiles_by_" + order, account.Selection{}},
					{"profiles_by_kind_and_" + order, account.Selection{IsOrganizer: &yes}},
					{"profiles_by_kind_and_" + order, account.Selection{IsOrganizer: &no}},
					{"profiles_by_location_and_" + order, account.Selection{Location: "city7"}},
					{"profiles_by_both_and_" + order, account.Selection{IsOrganizer: &no, Location: "city7"}},
				} {
					test.selection.Order = account.ProfileOrder{Field: field, Direction: direction}
					cursor := middle(t, s, test.selection)
					for _, window := range []account.Window{
						{}, {Backward: true}, {After: cursor}, {Before: cursor, Backward: true}, {After: cursor, Before: cursor},
					} {
						if window.After != nil && window.Before != nil && strings.Contains(test.index, "both") {
							continue // one row is expected, which every index finds as fast
						}
						window.Selection, window.Limit = test.selection, account.DefaultPage
						wantIndex(t, s, test.index, window)
					}
				}
			}
		}
	})
}

func wantIndex(t *testing.T, s *Store, index string, window account.Window) {
	t.Helper()
	query, args := s.pageQuery(window)
	plan := explain(t, s, query, args)
	wrong := !slices.Contains(strings.Fields(plan), index)
	for _, costly := range []string{"TEMP B-TREE", "Sort", "Filter", "Seq Scan", "Bitmap"} {
		wrong = wrong || strings.Contains(plan, costly)
	}
	entered := strings.ContainsAny(strings.ReplaceAll(plan, "->", ""), "<>")
	if wrong || entered != (window.After != nil || window.Before != nil) {
		t.Errorf("want %s for %s %v, have\n%s", index, query, args, plan)
	}
}

func explain(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	if s.dialect.name == "postgres" {
		var lines []string
		must(t, s.readPool.Select(&lines, s.dialect.bind(`EXPLAIN `+query), args...))
		return strings.Join(lines, "\n")
	}
	var steps []struct {
		ID, Parent, NotUsed int
		Detail              string
	}
	must(t, s.readPool.Select(&steps, s.dialect.bind(`EXPLAIN QUERY PLAN `+query), args...))
	plan := ""
	for _, step := range steps {
		plan += step.Detail + "\n"
	}
	return plan
}
