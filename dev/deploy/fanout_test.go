package deploy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host/queue"
	"github.com/idn-sentinel/idn-sentinel/internal/fanout"
	"github.com/idn-sentinel/idn-sentinel/internal/functions"
)

// queueFolder is what differs in the package for FAN_OUT=queue.
const queueFolder = "deploy/queue"

// queueRole is Storage Queue Data Contributor.
const queueRole = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"

// The role on queues and the package with the queue come with the parameter only, on every plan.
func TestFanOut(t *testing.T) {
	for _, plan := range []string{"FlexConsumption", "ElasticPremium", "Dedicated", "Consumption"} {
		for value, want := range map[string]bool{"off": false, "queue": true} {
			d := deployed(t, "", map[string]any{"hostingPlan": plan, "fanOut": value})
			if got := appSettings(t, d)["FAN_OUT"]; got != value {
				t.Errorf("%s, %s: FAN_OUT is %q", plan, value, got)
			}
			roles := 0
			for _, r := range ofType(d, "Microsoft.Authorization/roleAssignments") {
				if strings.HasSuffix(dig(r.Body, "properties", "roleDefinitionId").(string), queueRole) {
					roles++
				}
			}
			if (roles == 1) != want || roles > 1 {
				t.Errorf("%s, %s: %d roles on queues", plan, value, roles)
			}
			for _, r := range d.Resources {
				if strings.Contains(r.Type, "queueServices") {
					t.Errorf("%s, %s: %s is made", plan, value, r.Type)
				}
			}
			body := text(t, d)
			if strings.Contains(body, "released-package-queue.zip") != want || strings.Contains(body, "released-package.zip") == want {
				t.Errorf("%s, %s: another package", plan, value)
			}
		}
	}
}

// The host of the package for the queue is the ordinary one, but for the extension bundle and its
// queues, which are as the program takes them to be.
func TestHostOfTheQueue(t *testing.T) {
	var ordinary, other map[string]any
	readJSON(t, "host.json", &ordinary)
	readJSON(t, queueFolder+"/host.json", &other)
	bundle, _ := other["extensionBundle"].(map[string]any)
	if bundle["id"] != "Microsoft.Azure.Functions.ExtensionBundle" || bundle["version"] != "[4.*, 5.0.0)" {
		t.Errorf("the bundle is %v", bundle)
	}
	delete(other, "extensionBundle")
	delete(other, "extensions")
	if diff := cmp.Diff(ordinary, other); diff != "" {
		t.Errorf("host.json (-ordinary +queue):\n%s", diff)
	}
	s, err := queue.ReadSettings(filepath.Join(root, queueFolder, "host.json"))
	if err != nil {
		t.Fatal(err)
	}
	if s.MaxDequeueCount != fanout.Deliveries || s.BatchSize+s.NewBatchThreshold != fanout.AtOnce {
		t.Errorf("%+v: the program expects %d deliveries, and %d messages at once", s, fanout.Deliveries, fanout.AtOnce)
	}
}

// The functions of that package: the timer with an output, and one more, both with the same queue.
func TestFunctionsOfTheQueue(t *testing.T) {
	var timer, ordinary, work struct {
		Bindings []map[string]any `json:"bindings"`
	}
	readJSON(t, "function/function.json", &ordinary)
	readJSON(t, queueFolder+functions.FunctionPath+"/function.json", &timer)
	readJSON(t, queueFolder+functions.WorkPath+"/function.json", &work)
	out := map[string]any{"type": "queue", "direction": "out", "name": "work", "queueName": fanout.Queue, "connection": "AzureWebJobsStorage"}
	if diff := cmp.Diff(append(ordinary.Bindings, out), timer.Bindings); diff != "" {
		t.Errorf("timer (-want +got):\n%s", diff)
	}
	in := map[string]any{"type": "queueTrigger", "direction": "in", "name": "item", "queueName": fanout.Queue, "connection": "AzureWebJobsStorage"}
	if diff := cmp.Diff([]map[string]any{in}, work.Bindings); diff != "" {
		t.Errorf("work (-want +got):\n%s", diff)
	}
}
