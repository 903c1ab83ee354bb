package solution

import "github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"

// Metadata is SolutionMetadata.json: under whose name a solution is offered.
type Metadata struct {
	PublisherID      string     `json:"publisherId"`
	OfferID          string     `json:"offerId"`
	FirstPublishDate string     `json:"firstPublishDate"`
	LastPublishDate  string     `json:"lastPublishDate"`
	Providers        []string   `json:"providers"`
	Categories       Categories `json:"categories"`
	Support          Support    `json:"support"`
}

// Categories are where the content hub lists a solution.
type Categories struct {
	Domains   []string `json:"domains"`
	Verticals []string `json:"verticals,omitempty"`
}

// Support is whom users ask.
type Support struct {
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
	Tier  string `json:"tier"`
	Link  string `json:"link,omitempty"`
}

// Variant is one solution that is made of the content.
type Variant struct {
	// Folder is below Solutions; it is the name of the solution as well.
	Folder string
	// Data and Connector are the names of two files, below the folder.
	Data, Connector string
	Author, Logo    string // Logo is an address
	Metadata        Metadata
	// OneClick is whether the buttons of the connector page may lead to the portal themselves. The
	// solution repository refuses addresses of the portal in a package, so there they lead to the
	// page that has the buttons.
	OneClick bool
}

const (
	logoFile = "SailPointIdentity.svg"
	home     = "https://github.com/idn-sentinel/idn-sentinel"
)

// Upstream updates the solution that the public repository has: its folder, its offer, and the names of
// its files, so that what it has already is updated and not doubled. Publisher, offer and support are
// SailPoint's, as the repository has them: an update does not change whose solution it is.
func (s *Solution) Upstream() Variant {
	return Variant{
		Folder: Name, Data: "Data/Solution_SailpointIdentityNow.json", Connector: "Data Connectors/SailPoint_IdentityNow_FunctionApp.json",
		Author: Name, Logo: "https://raw.githubusercontent.com/Azure/Azure-Sentinel/master/Logos/" + logoFile,
		Metadata: Metadata{
			PublisherID: "sailpoint1582673310610", OfferID: "sentinel_offering",
			FirstPublishDate: "2021-10-26", LastPublishDate: s.Date, Providers: []string{"SailPoint"},
			Categories: Categories{Domains: []string{"Security - Threat Protection", "Identity", "Security - Automation (SOAR)"}},
			Support:    Support{Name: "SailPoint", Email: "support.idplusa@sailpoint.com", Tier: "Partner"},
		},
	}
}

// Own is the same content under this project's name, for those who deploy from here, and with
// sentinel/SolutionMetadata.json as it is.
func (s *Solution) Own() Variant {
	const folder = "SailPointIdentity"
	return Variant{
		Folder: folder, Data: "Data/Solution_SailPointIdentity.json", Connector: connectorFile,
		Author: "idn-sentinel", Logo: "https://raw.githubusercontent.com/idn-sentinel/idn-sentinel/main/sentinel/Logos/" + logoFile,
		Metadata: s.Metadata, OneClick: true,
	}
}

// ID is the id of the solution in the content hub.
func (v Variant) ID() string { return v.Metadata.PublisherID + "." + v.Metadata.OfferID }

// about says what a workbook shows.
func about(w content.Workbook) string {
	switch w.File {
	case "SailPointISCIdentityActivity":
		return "Shows what users, administrators and SailPoint itself did in the tenants: logons and where they came from, changes of access, requests, policies, credentials, and what fails."
	case "SailPointISCConnectorHealth":
		return "Shows whether the connector runs, how late events are, what waits in quarantine, and what its own audit proves about completeness."
	}
	return w.File
}
