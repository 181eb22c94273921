// Sends a scenario (JSON lines on stdin) through the unmodified RudderStack Go SDK, so that its payloads can be recorded.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"

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

func main() {
	client := analytics.New(os.Getenv("WEIR_KEY"), os.Getenv("WEIR_URL"))
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var line struct {
			Call string
			Args map[string]any
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			log.Fatal(err)
		}
		// This SDK knows the event's time by one name only.
		line.Args["originalTimestamp"] = line.Args["timestamp"]
		args, err := json.Marshal(line.Args)
		if err != nil {
			log.Fatal(err)
		}
		m, err := message(line.Call, args)
		if err != nil {
			log.Fatal(err)
		}
		if err := client.Enqueue(m); err != nil {
			log.Fatal(err)
		}
	}
	// Flushes.
	if err := client.Close(); err != nil {
		log.Fatal(err)
	}
}
