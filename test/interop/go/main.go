// Asks the services of a running stack with the Go client of NATS, as nats and other tools do.
// Prints one line a check; the first one that fails ends it with exit code 1.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

const wait = 5 * time.Second

// The answers of ADR-32 as later versions of the micro package declare them: Go decodes into these types, or fails.
type identity struct {
	micro.ServiceIdentity
	Type     string            `json:"type"`
	Metadata map[string]string `json:"metadata"`
}

type info struct {
	identity
	Description string `json:"description"`
	Endpoints   []struct {
		Name       string            `json:"name"`
		Subject    string            `json:"subject"`
		QueueGroup string            `json:"queue_group"`
		Metadata   map[string]string `json:"metadata"`
	} `json:"endpoints"`
}

type stats struct {
	identity
	Started   time.Time `json:"started"`
	Endpoints []struct {
		Name                  string          `json:"name"`
		Subject               string          `json:"subject"`
		QueueGroup            string          `json:"queue_group"`
		NumRequests           int             `json:"num_requests"`
		NumErrors             int             `json:"num_errors"`
		LastError             string          `json:"last_error"`
		ProcessingTime        time.Duration   `json:"processing_time"`
		AverageProcessingTime time.Duration   `json:"average_processing_time"`
		Data                  json.RawMessage `json:"data,omitempty"`
	} `json:"endpoints"`
}

type commandError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details []struct {
		Path     string `json:"path"`
		Expected string `json:"expected"`
	} `json:"details"`
}

func main() {
	nc, err := nats.Connect(os.Args[1])
	must(err, "connect")
	defer nc.Close()
	checkAnswer(nc)
	checkErrors(nc)
	checkRepetition(nc)
	checkServices(nc, strings.Split(os.Args[2], ","))
}

func checkAnswer(nc *nats.Conn) {
	reply, err := nc.Request("salvor.cmd.v1.vdisk.list", []byte("{}"), wait)
	must(err, "vdisk.list")
	var body struct {
		Vdisks []map[string]any `json:"vdisks"`
	}
	must(json.Unmarshal(reply.Data, &body), "vdisk.list")
	expect(body.Vdisks != nil, "a list of vdisks, found %s", reply.Data)
	expect(reply.Header.Get("Content-Type") == "application/json", "JSON, found %v", reply.Header)
	expect(reply.Header.Get("Salvor-Operation-Id") != "", "an operation id, found %v", reply.Header)
	fmt.Println("answers: headers and JSON")
}

func checkErrors(nc *nats.Conn) {
	refused := func(subject, request, status string) commandError {
		reply, err := nc.Request(subject, []byte(request), wait)
		must(err, subject)
		expect(reply.Header.Get(micro.ErrorCodeHeader) == status, "%s of %s, found %v", status, subject, reply.Header)
		expect(reply.Header.Get(micro.ErrorHeader) != "", "a message of %s, found %v", subject, reply.Header)
		var body commandError
		must(json.Unmarshal(reply.Data, &body), subject)
		expect(body.Code != "" && body.Message != "", "code and message, found %s", reply.Data)
		return body
	}
	refused("salvor.cmd.v1.vdisk.describe", `{"vdisk":"nowhere"}`, "404")
	wrong := refused("salvor.cmd.v1.vdisk.create", `{"vdisk":7,"nonsense":1}`, "400")
	expect(len(wrong.Details) > 1 && wrong.Details[0].Path == "nonsense", "every wrong field, found %v", wrong)
	refused("salvor.cmd.v1.vdisk.create", "\xff\xfe", "400")
	_, err := nc.Request("salvor.cmd.v1.vdisk.nonsense", nil, wait)
	expect(errors.Is(err, nats.ErrNoResponders), "no responders, found %v", err)
	fmt.Println("errors: status, message, details, no responders")
}

func checkRepetition(nc *nats.Conn) {
	events, err := nc.SubscribeSync("salvor.evt.v1.vdisk.created.*")
	must(err, "subscribe")
	must(nc.Flush(), "subscribe")
	create := func() map[string]any {
		request := nats.NewMsg("salvor.cmd.v1.vdisk.create")
		request.Header.Set(nats.MsgIdHdr, "created-by-go")
		request.Data = []byte(`{"vdisk":"go","type":"db","sizeGiB":1,"cluster":"p1","slaveCluster":"s1"}`)
		reply, err := nc.RequestMsg(request, wait)
		must(err, "vdisk.create")
		var body map[string]any
		must(json.Unmarshal(reply.Data, &body), "vdisk.create")
		return body
	}
	first, second := create(), create()
	expect(first["outcome"] == "applied" && second["outcome"] == "already", "one effect, found %v, %v", first, second)
	expect(second["operation"] == "created-by-go", "the id of the header, found %v", second)
	event, err := events.NextMsg(wait)
	must(err, "vdisk.created")
	expect(event.Subject == "salvor.evt.v1.vdisk.created.go", "the vdisk as last token, found %s", event.Subject)
	// Names of CloudEvents are in lower case, which the Get of textproto would not find.
	id := event.Header["ce-id"]
	expect(len(id) == 1 && id[0] == event.Header.Get(nats.MsgIdHdr), "ce-id as Nats-Msg-Id, found %v", event.Header)
	_, err = events.NextMsg(200 * time.Millisecond)
	expect(errors.Is(err, nats.ErrTimeout), "one event, found %v", err)
	fmt.Println("repetition: Nats-Msg-Id is the operation, headers of events")
}

func checkServices(nc *nats.Conn, wanted []string) {
	semver := regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	pings := answers(nc, micro.PingVerb, "", "", len(wanted))
	for _, data := range pings {
		var ping identity
		must(json.Unmarshal(data, &ping), "PING")
		expect(ping.Type == "io.nats.micro.v1.ping_response", "a ping, found %s", data)
		expect(contains(wanted, ping.Name) && ping.ID != "" && semver.MatchString(ping.Version), "a service, found %s", data)
	}
	for _, data := range answers(nc, micro.InfoVerb, "", "", len(wanted)) {
		var found info
		must(json.Unmarshal(data, &found), "INFO")
		expect(found.Type == "io.nats.micro.v1.info_response" && len(found.Endpoints) > 0, "endpoints, found %s", data)
		for _, endpoint := range found.Endpoints {
			expect(strings.HasPrefix(endpoint.Subject, "salvor.cmd.v1.") && endpoint.QueueGroup == micro.QG, "an endpoint, found %v", endpoint)
		}
	}
	var requests, failed int
	for _, data := range answers(nc, micro.StatsVerb, "", "", len(wanted)) {
		var found stats
		must(json.Unmarshal(data, &found), "STATS")
		expect(!found.Started.IsZero() && len(found.Endpoints) > 0, "statistics, found %s", data)
		for _, endpoint := range found.Endpoints {
			requests += endpoint.NumRequests
			failed += endpoint.NumErrors
			expect(endpoint.NumRequests == 0 || endpoint.AverageProcessingTime > 0, "a time, found %v", endpoint)
		}
		one := answers(nc, micro.StatsVerb, found.Name, found.ID, 1)
		expect(len(one) == 1, "the one instance, found %d", len(one))
	}
	expect(requests > 5 && failed >= 3, "what was asked to be counted, found %d and %d", requests, failed)
	fmt.Printf("services: PING, INFO, STATS of %s\n", strings.Join(wanted, ", "))
}

// As many answers as are wanted.
func answers(nc *nats.Conn, verb micro.Verb, name, id string, count int) [][]byte {
	subject, err := micro.ControlSubject(verb, name, id)
	must(err, "subject")
	inbox, err := nc.SubscribeSync(nats.NewInbox())
	must(err, "inbox")
	defer inbox.Unsubscribe()
	must(nc.PublishRequest(subject, inbox.Subject, nil), subject)
	var found [][]byte
	for len(found) < count {
		message, err := inbox.NextMsg(wait)
		must(err, subject)
		found = append(found, message.Data)
	}
	return found
}

func contains(list []string, wanted string) bool {
	for _, each := range list {
		if each == wanted {
			return true
		}
	}
	return false
}

func must(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func expect(is bool, format string, found ...any) {
	if !is {
		fmt.Fprintf(os.Stderr, "expected "+format+"\n", found...)
		os.Exit(1)
	}
}
