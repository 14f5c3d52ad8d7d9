// Package callreport reads the calls of a day from three providers: page by page, tried again, merged.
package callreport

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	pageSize = 1000
	tries    = 5
	mostLegs = 3
)

// ProviderError is a refusal: a mnemonic, a reason or a code.
type ProviderError struct{ Text string }

func (e *ProviderError) Error() string { return e.Text }

// PassingError goes by itself after a while.
type PassingError struct {
	Text string
	Wait time.Duration
}

func (e *PassingError) Error() string { return e.Text }

// Sleep waits; a test moves the tenant's clock instead.
type Sleep func(time.Duration)

func retry(sleep Sleep, attempt func() error) error {
	for left := tries - 1; ; left-- {
		err := attempt()
		var passing *PassingError
		if !errors.As(err, &passing) || left == 0 {
			return err
		}
		sleep(passing.Wait)
	}
}

func post(request *http.Request) ([]byte, error) {
	client := http.Client{Timeout: 30 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return nil, &PassingError{err.Error(), 5 * time.Second}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, &PassingError{err.Error(), 5 * time.Second}
	}
	switch response.StatusCode {
	case 502, 503, 504:
		return nil, &PassingError{response.Status, 5 * time.Second}
	}
	return body, nil
}

// DataAPI is a client of get.call_legs_report.
type DataAPI struct {
	URL, Token string
	Sleep      Sleep
}

// Leg is what the report tells of a call leg, as far as Merge needs it.
type Leg struct {
	ID          int64  `json:"id"`
	Session     int64  `json:"call_session_id"`
	ConnectTime string `json:"connect_time"`
	Duration    int    `json:"duration"`
	Direction   string `json:"direction"`
	IsOperator  bool   `json:"is_operator"`
	IsCoach     bool   `json:"is_coach"`
	Calling     string `json:"calling_phone_number"`
	Called      string `json:"called_phone_number"`
}

type legsPage struct {
	Metadata struct {
		Total int `json:"total_items"`
	} `json:"metadata"`
	Data []Leg `json:"data"`
}

// Legs returns all call legs that started in a window of "2006-01-02 15:04:05".
func (api *DataAPI) Legs(since, till string) ([]Leg, error) {
	var found []Leg
	for {
		var page legsPage
		err := retry(api.Sleep, func() (err error) {
			page, err = api.page(since, till, len(found))
			return err
		})
		if err != nil {
			return nil, err
		}
		found = append(found, page.Data...)
		if len(page.Data) == 0 || len(found) >= page.Metadata.Total {
			return found, nil
		}
	}
}

func (api *DataAPI) page(since, till string, offset int) (page legsPage, err error) {
	params := map[string]any{
		"access_token": api.Token, "date_from": since, "date_till": till,
		"limit": pageSize, "offset": offset,
	}
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": params,
	})
	if err != nil {
		return page, err
	}
	request, err := http.NewRequest("POST", api.URL, bytes.NewReader(body))
	if err != nil {
		return page, err
	}
	if body, err = post(request); err != nil {
		return page, err
	}
	var answer struct {
		Result legsPage `json:"result"`
		Error  *struct {
			Data struct {
				Mnemonic string `json:"mnemonic"`
			} `json:"data"`
		} `json:"error"`
	}
	if err = json.Unmarshal(body, &answer); err != nil || answer.Error == nil {
		return answer.Result, err
	}
	mnemonic := answer.Error.Data.Mnemonic
	if mnemonic == "limit_exceeded" {
		return page, &PassingError{mnemonic, time.Minute}
	}
	return page, &ProviderError{mnemonic}
}

// Workplace is a client of operator_call_history, by XML over HTTP.
type Workplace struct {
	URL, Number, Password string
	Sleep                 Sleep
}

// Row is a call as the operator's workplace shows it.
type Row struct {
	CallRef      string `xml:"call_ref,attr"`
	AnswerTime   string `xml:"answer_time,attr"`
	RemoteDigits string `xml:"remote_digits,attr"`
}

type filters struct {
	Limit  int    `xml:"limit,attr"`
	Offset int    `xml:"offset,attr"`
	Since  string `xml:"from_date,attr"`
	Tag    string `xml:"tag,attr,omitempty"`
}

type history struct {
	Tag  string `xml:"tag,attr"`
	Rows []Row  `xml:"call_history"`
}

// Rows returns an operator's calls since "2006/01/02 15:04:05", page by page behind the tag.
func (workplace *Workplace) Rows(since string) ([]Row, error) {
	var found []Row
	asked := filters{Limit: 50, Since: since}
	for {
		var page history
		err := retry(workplace.Sleep, func() (err error) {
			page, err = workplace.page(asked)
			return err
		})
		if err != nil || len(page.Rows) == 0 {
			return found, err
		}
		found = append(found, page.Rows...)
		asked.Tag = page.Tag
	}
}

func (workplace *Workplace) page(asked filters) (page history, err error) {
	var in struct {
		XMLName xml.Name `xml:"in"`
		Filters filters  `xml:"request>filters"`
	}
	in.Filters = asked
	body, err := xml.Marshal(in)
	if err != nil {
		return page, err
	}
	request, err := http.NewRequest("POST", workplace.URL+"/operator_call_history", bytes.NewReader(body))
	if err != nil {
		return page, err
	}
	request.SetBasicAuth(workplace.Number, workplace.Password)
	if body, err = post(request); err != nil {
		return page, err
	}
	var out struct {
		History history `xml:"response>history"`
		Error   *struct {
			Reason string `xml:"reason,attr"`
		} `xml:"error"`
	}
	if err = xml.Unmarshal(body, &out); err == nil && out.Error != nil {
		err = &ProviderError{out.Error.Reason}
	}
	return out.History, err
}

// ServiceCalls is a client of GetHistoryOfServiceCalls.
type ServiceCalls struct {
	URL, User, Password string
	Sleep               Sleep
}

const envelope = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"` +
	` xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
	`<e:Body><GetHistoryOfServiceCalls xmlns="http://buhphone.com/PartnerWebAPI2"><Params>` +
	`<Property xmlns="http://v8.1c.ru/8.1/data/core" name="PeriodFrom">` +
	`<Value xsi:type="xs:dateTime">%s</Value></Property>` +
	`<Property xmlns="http://v8.1c.ru/8.1/data/core" name="PeriodTo">` +
	`<Value xsi:type="xs:dateTime">%s</Value></Property>` +
	`</Params></GetHistoryOfServiceCalls></e:Body></e:Envelope>`

type property struct {
	Name  string `xml:"name,attr"`
	Value struct {
		Text    string   `xml:",chardata"`
		Columns []string `xml:"column>Name"`
		Rows    []struct {
			Cells []string `xml:"Value"`
		} `xml:"row"`
	} `xml:"Value"`
}

// Rows returns the calls that began in a period of "2006-01-02T15:04:05"; cells by their column's name.
func (calls *ServiceCalls) Rows(since, till string) (rows []map[string]string, err error) {
	err = retry(calls.Sleep, func() (err error) {
		rows, err = calls.call(since, till)
		return err
	})
	return rows, err
}

func (calls *ServiceCalls) call(since, till string) ([]map[string]string, error) {
	request, err := http.NewRequest("POST", calls.URL, strings.NewReader(fmt.Sprintf(envelope, since, till)))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "text/xml; charset=utf-8")
	request.SetBasicAuth(calls.User, calls.Password)
	body, err := post(request)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Properties []property `xml:"Body>GetHistoryOfServiceCallsResponse>return>Property"`
		Fault      string     `xml:"Body>Fault>faultstring"`
	}
	if err = xml.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Properties) < 2 {
		return nil, &ProviderError{answer.Fault}
	}
	code, data := answer.Properties[0].Value.Text, answer.Properties[1].Value
	switch code {
	case "SUCCESS":
	case "OUT_OF_LIMIT":
		return nil, &PassingError{code, time.Hour}
	default:
		return nil, &ProviderError{code + ": " + data.Text}
	}
	var rows []map[string]string
	for _, row := range data.Rows {
		cells := map[string]string{}
		for index, text := range row.Cells {
			cells[data.Columns[index]] = text
		}
		rows = append(rows, cells)
	}
	return rows, nil
}

// Call is one talk as all providers show it.
type Call struct {
	Answered, Phone string
	Seconds         int
	CallRefs        []string // of the ARM
	CallID          string   // of 1C; empty when that provider does not show the call
}

// Merge joins the answered calls, by CDR session, by the moment of the answer, the number and the length.
func Merge(legs []Leg, rows []Row, calls []map[string]string) map[int64]*Call {
	refs := map[string][]string{}
	for _, row := range rows {
		key := strings.ReplaceAll(row.AnswerTime, "/", "-") + " " + row.RemoteDigits
		refs[key] = append(refs[key], row.CallRef)
	}
	merged := map[int64]*Call{}
	for _, leg := range legs {
		if !leg.IsOperator || leg.ConnectTime == "" || leg.IsCoach {
			continue
		}
		phone := leg.Called
		if leg.Direction == "out" { // seen from the exchange: of an incoming call it called the operator
			phone = leg.Calling
		}
		call := merged[leg.Session]
		if call == nil {
			call = &Call{Answered: leg.ConnectTime, Phone: phone}
			merged[leg.Session] = call
		}
		call.Seconds += leg.Duration
		call.CallRefs = append(call.CallRefs, refs[leg.ConnectTime+" "+phone]...)
	}
	for _, call := range merged {
		for _, row := range calls {
			// 1C adds up all talk of a call before it cuts off to seconds, CDR each leg's
			seconds, err := strconv.Atoi(row["Duration"])
			more := seconds - call.Seconds
			answered := strings.Replace(row["CallTime"], "T", " ", 1) == call.Answered
			if err == nil && answered && more >= 0 && more <= mostLegs {
				call.CallID = row["CallID"]
			}
		}
	}
	return merged
}
