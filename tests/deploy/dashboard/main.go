// Reads the dashboard that its argument names as Grafana's own types have it, and complains about each field that they
// do not know, that is missing, or that has another type.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	if err := read(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var found dashboard.Dashboard
	if err := some(found.UnmarshalJSONStrict(text)); err != nil {
		return err
	}
	return some(found.Validate())
}

// An empty list of errors comes as an error, too.
func some(err error) error {
	if list, is := err.(cog.BuildErrors); is && len(list) == 0 {
		return nil
	}
	return err
}
