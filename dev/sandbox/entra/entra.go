// Package entra is a stand-in for Microsoft Entra ID across directories: managed identities, and
// multi-tenant app registrations that trust them by federated credentials.
//
//	cloud := entra.New()
//	home := cloud.Directory(…)                      // of the function app
//	id := home.Managed(clientID)                    // its managed identity
//	app := home.Register(appID)                     // the app registration, …
//	app.Trust(entra.Credential{…})                  // … which trusts the identity
//	cloud.Directory(customer).Consent(app)          // its service principal at a customer
//
// [Cloud.SignIn] is the sign-in service, [Cloud.Platform] is the endpoint that a function app gets the
// tokens of its managed identities from. Both check what the services are documented to check, in that
// order, and refuse with the numbers and words that are on record. They share no constant with the
// program under test.
//
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
package entra

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Cloud is the sign-in service of one cloud.
type Cloud struct {
	// Authority is its address in tokens, "https://login.microsoftonline.com" if empty.
	Authority string
	// Exchange is the audience of tokens that are to be exchanged; "" is that of the public cloud.
	Exchange string
	// Now is its clock; nil means time.Now.
	Now func() time.Time

	mu          sync.Mutex
	directories map[string]*Directory
	managed     map[string]*Managed // by client ID
	asked       []Request
	hang        map[string]chan struct{}
	echo        bool
}

// Request is a request for a token, and the number of the refusal; "" if it was granted.
type Request struct{ Directory, App, Scope, Refused string }

// Directory is a directory of organizations.
type Directory struct {
	ID    string
	cloud *Cloud
	apps  map[string]*servicePrincipal // by client ID
	// blocked refuses all apps, as a Conditional Access policy does.
	blocked bool
}

type servicePrincipal struct {
	app      *App
	object   string
	disabled bool
}

// App is a multi-tenant app registration.
type App struct {
	ID    string
	home  *Directory
	trust []Credential
}

// Credential is a federated credential. All of it must match, in the same case.
type Credential struct{ Issuer, Subject, Audience string }

// Managed is a user-assigned managed identity.
type Managed struct {
	ClientID, Object string
	home             *Directory
}

// New returns a cloud without directories.
func New() *Cloud {
	return &Cloud{directories: map[string]*Directory{}, managed: map[string]*Managed{}, hang: map[string]chan struct{}{}}
}

// Directory returns the directory of an ID, which it makes if it is new.
func (c *Cloud) Directory(id string) *Directory {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.directories[id] == nil {
		c.directories[id] = &Directory{ID: id, cloud: c, apps: map[string]*servicePrincipal{}}
	}
	return c.directories[id]
}

// Managed makes a managed identity in the directory.
func (d *Directory) Managed(clientID string) *Managed {
	d.cloud.mu.Lock()
	defer d.cloud.mu.Unlock()
	m := &Managed{ClientID: clientID, Object: objectID("managed", clientID, d.ID), home: d}
	d.cloud.managed[clientID] = m
	return m
}

// Credential is the federated credential that trusts the identity.
func (m *Managed) Credential() Credential {
	return Credential{Issuer: m.home.issuer(), Subject: m.Object, Audience: m.home.cloud.exchange()}
}

// Register registers a multi-tenant app in the directory, where it has a service principal at once.
func (d *Directory) Register(appID string) *App {
	app := &App{ID: appID, home: d}
	d.Consent(app)
	return app
}

// Trust adds a federated credential, with which the app then trusts an identity. Nothing checks it.
func (a *App) Trust(c Credential) {
	a.home.cloud.mu.Lock()
	defer a.home.cloud.mu.Unlock()
	a.trust = append(a.trust, c)
}

// Distrust removes all federated credentials of the app.
func (a *App) Distrust() {
	a.home.cloud.mu.Lock()
	defer a.home.cloud.mu.Unlock()
	a.trust = nil
}

// Consent adds the app to the directory, and returns the object ID of its service principal there.
func (d *Directory) Consent(app *App) string {
	d.cloud.mu.Lock()
	defer d.cloud.mu.Unlock()
	p := &servicePrincipal{app: app, object: objectID("principal", app.ID, d.ID)}
	d.apps[app.ID] = p
	return p.object
}

// Remove removes the app from the directory.
func (d *Directory) Remove(app *App) {
	d.cloud.mu.Lock()
	defer d.cloud.mu.Unlock()
	delete(d.apps, app.ID)
}

// Disable disables the app in the directory.
func (d *Directory) Disable(app *App) {
	d.cloud.mu.Lock()
	defer d.cloud.mu.Unlock()
	d.apps[app.ID].disabled = true
}

// Block refuses the apps in the directory, as a Conditional Access policy does.
func (d *Directory) Block() {
	d.cloud.mu.Lock()
	defer d.cloud.mu.Unlock()
	d.blocked = true
}

// Hang lets requests for tokens of a directory wait until the channel is closed.
func (d *Directory) Hang(until chan struct{}) {
	d.cloud.mu.Lock()
	defer d.cloud.mu.Unlock()
	d.cloud.hang[d.ID] = until
}

// Echo makes refusals repeat the assertion, which the service does not do, but something in between
// could.
func (c *Cloud) Echo() { c.mu.Lock(); c.echo = true; c.mu.Unlock() }

// Requests lists the requests for tokens so far.
func (c *Cloud) Requests() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Request(nil), c.asked...)
}

// objectID is an ID made of texts, in the form of a GUID.
func objectID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return fmt.Sprintf("%x-%x-4%x-a%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])[:36]
}

func (c *Cloud) authority() string {
	if c.Authority == "" {
		return "https://login.microsoftonline.com"
	}
	return strings.TrimRight(c.Authority, "/")
}

func (c *Cloud) exchange() string {
	if c.Exchange == "" {
		return "api://AzureADTokenExchange"
	}
	return c.Exchange
}

func (c *Cloud) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// issuer is who issues the tokens of the directory.
func (d *Directory) issuer() string { return d.cloud.authority() + "/" + d.ID + "/v2.0" }
