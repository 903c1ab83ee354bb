package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/host"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/saas"
	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/tenant"
)

// What the senders of pushes must present. They open nothing else.
const (
	pushToken     = "synthetic-webhook-token"
	reportsSecret = "synthetic-reports-secret"
)

const (
	trigger    = "idn:identity-attributes-changed"
	reportRows = 500
	// promised is how long a pushed event may take to its row.
	promised = 30 * time.Second
)

// PushSettings are the app settings with which the connector receives what is pushed.
func (s *Stage) PushSettings() []string {
	return []string{"WEBHOOK_TOKEN=" + pushToken, "SAAS_WEBHOOK_SECRET=" + reportsSecret}
}

// pushes lets the tenant push an event and SaaS Management send a report: both are rows without the
// timer.
func (p *play) pushes(ctx context.Context, h *host.Host) error {
	address, err := p.stage.serve(ctx, "", h)
	if err != nil {
		return err
	}
	p.say("\npushes, without the timer:")
	if err := p.event(ctx, address+"/api/hooks/sailpoint"); err != nil {
		return err
	}
	if err := p.report(ctx, address+"/api/hooks/saas/unused-licenses"); err != nil {
		return err
	}
	return pause(ctx, time.Second) // the run that delivered them still has its lock
}

// event lets an event happen at the tenant, which posts it to its subscriber.
func (p *play) event(ctx context.Context, hook string) error {
	t := p.stage.Tenant
	t.Subscribe(tenant.Subscription{
		TriggerID: trigger, Name: "Microsoft Sentinel", Type: "HTTP", Enabled: true,
		HTTP: &tenant.HTTPConfig{URL: hook, Mode: "SYNC", Auth: "BEARER_TOKEN", Token: pushToken},
	})
	begin := time.Now()
	push := t.Emit(trigger, []byte(`{"identity":{"id":"2c9180835d191a86015d28455b4a2329","name":"Ivan.Kaur","type":"IDENTITY"},"changes":[{"attribute":"department","oldValue":"Sales","newValue":"Finance"}]}`))[0]
	if err := t.Send(ctx, push); err != nil {
		return fmt.Errorf("the tenant's push: %w", err)
	}
	answered := time.Since(begin)
	p.pushed = push.Invocation.ID
	err := p.arrives(ctx, "the pushed event", func() bool { return p.stage.pushedRows(p.pushed) > 0 })
	p.say("  the tenant posts %s: answered with 200 after %.2f s, a row of SailPointIDN_Triggers_CL after %.2f s", trigger, answered.Seconds(), time.Since(begin).Seconds())
	return err
}

// report has SaaS Management send a report at its time, which is now.
func (p *play) report(ctx context.Context, hook string) error {
	begin := time.Now()
	_, err := new(saas.Sender).Send(ctx, saas.Schedule{Webhook: saas.Webhook{URL: hook, Secret: reportsSecret}, Form: saas.CSV, Chunked: true}, saas.Licenses(p.Seed, reportRows))
	if err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	answered := time.Since(begin)
	rows := p.stage.Workspace.Table("SailPointSaaS_Reports")
	err = p.arrives(ctx, "the report", func() bool { return rows.Count() >= reportRows })
	p.say("  SaaS Management posts a report of %d rows: answered with 200 after %.2f s, all rows in SailPointSaaS_Reports_CL after %.2f s", reportRows, answered.Seconds(), time.Since(begin).Seconds())
	return err
}

// arrives waits until something has arrived.
func (p *play) arrives(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, promised, fmt.Errorf("%s is not in the workspace after %v", what, promised))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// pushedRows is how many rows an invocation has in the state in which it was pushed.
func (s *Stage) pushedRows(id string) int {
	return s.Workspace.Table("SailPointIDN_Triggers").IDs()[id+"|"]
}
