// Sends a scenario (JSON lines on stdin) through the unmodified RudderStack Go SDK and tells, as one JSON line, what the
// SDK itself confirmed. Exits 1 on any SDK error.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	analytics "github.com/rudderlabs/analytics-go/v4"
)

// The SDK's context type keeps unknown members in a map of its own, which its decoder doesn't fill.
type externalIDs struct {
	Context struct {
		ExternalID any `json:"externalId"`
	} `json:"context"`
}

func message(call string, args json.RawMessage) (analytics.Message, error) {
	var unknown externalIDs
	if err := json.Unmarshal(args, &unknown); err != nil {
		return nil, err
	}
	extend := func(context *analytics.Context) {
		if context != nil && unknown.Context.ExternalID != nil {
			context.Extra = map[string]any{"externalId": unknown.Context.ExternalID}
		}
	}
	switch call {
	case "identify":
		var m analytics.Identify
		err := json.Unmarshal(args, &m)
		extend(m.Context)
		return m, err
	case "group":
		var m analytics.Group
		err := json.Unmarshal(args, &m)
		extend(m.Context)
		return m, err
	case "track":
		var m analytics.Track
		err := json.Unmarshal(args, &m)
		extend(m.Context)
		return m, err
	case "page":
		var m analytics.Page
		return m, json.Unmarshal(args, &m)
	case "screen":
		var m analytics.Screen
		return m, json.Unmarshal(args, &m)
	case "alias":
		var m analytics.Alias
		return m, json.Unmarshal(args, &m)
	}
	return nil, fmt.Errorf("no such call: %s", call)
}

// Counts what the SDK confirms and gives up: it is asked from several goroutines.
type answers struct {
	sync.Mutex
	sync.WaitGroup
	ok     int
	errors []string
}

func (a *answers) Success(analytics.Message) {
	a.Lock()
	a.ok++
	a.Unlock()
	a.Done()
}

func (a *answers) Failure(_ analytics.Message, err error) {
	a.Lock()
	a.errors = append(a.errors, err.Error())
	a.Unlock()
	a.Done()
}

func main() {
	var messages []analytics.Message
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Call string
			Args map[string]any
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			log.Fatal(err)
		}
		// This SDK knows the event's time by one name only.
		if time, ok := line.Args["timestamp"]; ok {
			line.Args["originalTimestamp"] = time
		}
		args, err := json.Marshal(line.Args)
		if err != nil {
			log.Fatal(err)
		}
		m, err := message(line.Call, args)
		if err != nil {
			log.Fatal(err)
		}
		messages = append(messages, m)
	}

	answers := answers{errors: []string{}}
	config := analytics.Config{
		DataPlaneUrl: os.Getenv("WEIR_URL"),
		Callback:     &answers,
		Logger:       analytics.StdLogger(log.New(io.Discard, "", 0)),
		BatchSize:    len(messages),
	}
	// It always tries ten times; only the waits between them can be set.
	if os.Getenv("WEIR_RETRIES") != "" {
		config.RetryAfter = func(int) time.Duration { return time.Millisecond }
	}
	client, err := analytics.NewWithConfig(os.Getenv("WEIR_KEY"), config)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range messages {
		answers.Add(1)
		if err := client.Enqueue(m); err != nil {
			answers.Failure(m, err)
		}
	}
	// To close the client while it waits to try again would give up what it holds.
	answers.Wait()
	if err := client.Close(); err != nil {
		log.Fatal(err)
	}
	report, err := json.Marshal(map[string]any{
		"sdk": "go " + analytics.Version, "calls": len(messages), "ok": answers.ok, "errors": answers.errors,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(report))
	if answers.ok != len(messages) {
		os.Exit(1)
	}
}
