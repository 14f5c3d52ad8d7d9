package callreport

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"testing"
	"time"
)

// A tenant of callmocks, which is steered by its admin API; CALLMOCKS_URL says where that is.
type tenant struct {
	t    *testing.T
	Name string `json:"name"`
	ARM  struct {
		URL       string `json:"url"`
		Domain    string `json:"domain"`
		Operators []struct {
			Number   string `json:"number"`
			Password string `json:"password"`
		} `json:"operators"`
	} `json:"arm"`
	CDR struct {
		URL   string `json:"url"`
		Token string `json:"token"`
	} `json:"cdr"`
	OneC struct {
		URL      string `json:"url"`
		User     string `json:"user"`
		Password string `json:"password"`
	} `json:"onec"`
}

type object = map[string]any

func makeTenant(t *testing.T, settings object) *tenant {
	t.Helper()
	name := make([]byte, 4)
	if _, err := rand.Read(name); err != nil {
		t.Fatal(err)
	}
	made := &tenant{t: t, Name: fmt.Sprintf("go-%x", name)}
	settings["name"], settings["limits"] = made.Name, "off"
	request(t, "POST", "", settings, made)
	t.Cleanup(func() { made.api("DELETE", "", nil, nil) })
	return made
}

func request(t *testing.T, method, path string, body, answer any) {
	t.Helper()
	base := os.Getenv("CALLMOCKS_URL")
	if base == "" {
		base = "http://127.0.0.1:8080"
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		encoded = nil
	}
	asked, err := http.NewRequest(method, base+"/api/tenants"+path, bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(asked)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		t.Fatalf("%s %s: %s", method, path, response.Status)
	}
	if answer != nil {
		if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
			t.Fatal(err)
		}
	}
}

func (made *tenant) api(method, path string, body, answer any) {
	made.t.Helper()
	request(made.t, method, "/"+made.Name+path, body, answer)
}

// advance: waiting moves the tenant's clock.
func (made *tenant) advance(wait time.Duration) {
	made.api("POST", "/clock/advance", object{"seconds": wait.Seconds()}, nil)
}

func (made *tenant) now() string {
	var clock struct{ Now string }
	made.api("GET", "/clock", nil, &clock)
	return clock.Now
}

func (made *tenant) dataAPI() *DataAPI {
	return &DataAPI{URL: made.CDR.URL, Token: made.CDR.Token, Sleep: made.advance}
}

func (made *tenant) serviceCalls() *ServiceCalls {
	return &ServiceCalls{made.OneC.URL, made.OneC.User, made.OneC.Password, made.advance}
}

type pinned struct {
	ARM []struct {
		CallRef string `json:"call_ref"`
	} `json:"arm"`
	CDR struct {
		Session int64 `json:"call_session_id"`
	} `json:"cdr"`
	OneC struct {
		CallID string `json:"CallID"`
	} `json:"onec"`
}

const (
	since, till          = "2026-03-02 00:00:00", "2026-03-02 23:59:59"
	periodFrom, periodTo = "2026-03-02T00:00:00", "2026-03-02T23:59:59"
)

func TestADayIsCompleteAlthoughPointsAreUsedUp(t *testing.T) {
	made := makeTenant(t, object{"seed": 7, "now": "2026-03-03T12:00:00"})
	params := object{"mnemonic": "limit_exceeded", "params": object{"limit_type": "minute"}}
	made.api("POST", "/faults", object{"provider": "cdr", "fault": "rpc_error", "params": params, "times": 2}, nil)
	legs, err := made.dataAPI().Legs(since, till)
	if err != nil {
		t.Fatal(err)
	}
	var truth struct{ Calls []pinned }
	made.api("GET", "/truth?from=2026-03-02&till=2026-03-03", nil, &truth)
	expected, found := map[int64]bool{}, map[int64]bool{}
	for _, call := range truth.Calls {
		expected[call.CDR.Session] = true
	}
	for _, leg := range legs {
		found[leg.Session] = true
	}
	if len(found) < 300 || !reflect.DeepEqual(found, expected) {
		t.Errorf("%d calls of %d", len(found), len(expected))
	}
	if now := made.now(); now != "2026-03-03T12:02:00" {
		t.Errorf("it waited until %s", now)
	}
}

func TestAnErrorThatStaysIsReturned(t *testing.T) {
	made := makeTenant(t, object{})
	params := object{"mnemonic": "access_token_blocked"}
	made.api("POST", "/faults", object{"provider": "cdr", "fault": "rpc_error", "params": params, "times": 1}, nil)
	if _, err := made.dataAPI().Legs(since, till); err == nil || err.Error() != "access_token_blocked" {
		t.Error(err)
	}
}

func TestAUsedUpHourIsWaitedFor(t *testing.T) {
	made := makeTenant(t, object{"world": "empty", "now": "2026-03-02T12:00:00"})
	var call pinned
	made.api("POST", "/calls", object{"start": "2026-03-02T11:00:00"}, &call)
	made.api("POST", "/faults", object{"provider": "onec", "fault": "limit_reached", "times": 1}, nil)
	rows, err := made.serviceCalls().Rows(periodFrom, periodTo)
	if err != nil || len(rows) != 1 || rows[0]["CallID"] != call.OneC.CallID {
		t.Error(rows, err)
	}
	if now := made.now(); now != "2026-03-02T13:00:00" {
		t.Errorf("it waited until %s", now)
	}
}

func TestThreeProvidersTellOfTheSameCall(t *testing.T) {
	made := makeTenant(t, object{"world": "empty", "now": "2026-03-02T12:00:00"})
	var call pinned
	pin := object{"start": "2026-03-02T11:00:00", "operator": "101", "talk_seconds": 75}
	made.api("POST", "/calls", pin, &call)
	legs, err := made.dataAPI().Legs(since, till)
	if err != nil {
		t.Fatal(err)
	}
	operator := made.ARM.Operators[0]
	url := made.ARM.URL + "/" + made.ARM.Domain + "/service/cc/arm"
	workplace := Workplace{url, operator.Number, operator.Password, made.advance}
	rows, err := workplace.Rows("2026/03/02 00:00:00")
	if err != nil {
		t.Fatal(err)
	}
	calls, err := made.serviceCalls().Rows(periodFrom, periodTo)
	if err != nil {
		t.Fatal(err)
	}
	merged := Merge(legs, rows, calls)
	shown := merged[call.CDR.Session]
	if len(merged) != 1 || shown == nil || shown.CallID != call.OneC.CallID ||
		!reflect.DeepEqual(shown.CallRefs, []string{call.ARM[0].CallRef}) {
		t.Errorf("%+v", shown)
	}
	var journal struct {
		Entries []struct{ Violations []any }
	}
	made.api("GET", "/journal", nil, &journal)
	for _, entry := range journal.Entries {
		if len(entry.Violations) > 0 {
			t.Error(entry.Violations)
		}
	}
}
