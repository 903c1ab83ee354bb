package demo

import (
	"context"
	"time"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/identityiq"
)

// serveIdentityIQ adds an IdentityIQ server to the stage: an audit event every ten seconds and now and
// then an entry of the syslog, from the past on into the future, and some task results, violations
// and alerts.
func (s *Stage) serveIdentityIQ(ctx context.Context, cfg StageConfig) (err error) {
	const future, step = time.Hour, 10 * time.Second
	now := time.Now().Truncate(time.Second)
	s.IdentityIQ = &identityiq.Server{ClientID: clientID, ClientSecret: clientSecret}
	for i := range int((cfg.Past + future) / step) {
		at := now.Add(-cfg.Past + time.Duration(i)*step)
		s.IdentityIQ.AddAudit(identityiq.AuditEvent(i, at), at, time.Time{})
		if i%10 == 0 {
			s.IdentityIQ.AddSyslog(identityiq.SyslogEvent(i, at), at, time.Time{})
		}
	}
	for i := range 20 {
		at := now.Add(-time.Duration(20-i) * cfg.Past / 20)
		id, raw := identityiq.TaskResult(i, at, at.Add(time.Minute), []string{"Success", "Success", "Warning", "Error"}[i%4])
		s.IdentityIQ.Put(identityiq.TaskResults, id, raw)
		id, raw = identityiq.Violation(i, at, at, "Open")
		s.IdentityIQ.Put(identityiq.PolicyViolations, id, raw)
		id, raw = identityiq.Alert(i, at, at)
		s.IdentityIQ.Put(identityiq.Alerts, id, raw)
	}
	s.iiqURL, err = s.serve(ctx, cfg.IdentityIQAddr, s.IdentityIQ)
	return err
}

// iiqSettings are the app settings for the IdentityIQ server, if there is one.
func (s *Stage) iiqSettings() []string {
	if s.iiqURL == "" {
		return nil
	}
	return []string{"IIQ_URL=" + s.iiqURL + "/identityiq", "IIQ_CLIENT_ID=" + clientID, "IIQ_CLIENT_SECRET=" + clientSecret, "IIQ_STREAMS=audit,syslog,tasks,violations,alerts"}
}
