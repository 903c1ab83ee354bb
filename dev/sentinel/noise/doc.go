// Package noise plays a month of an ordinary tenant through the analytic rules.
//
// A [Tenant] is a company that uses Identity Security Cloud and IdentityIQ,
// with its connector: people log on, mistype, forget passwords, travel, join
// and leave; sources are aggregated at night and fail; administrators and
// programs do their work. Everything is invented, and the same seed always
// gives the same rows. The names of events are those of SailPoint's catalogue.
//
// [Stories] are attacks that are planted into the month, each with the rules
// that claim to find it. What else the rules say is noise, and its budget is
// held by the test: see [Budget].
//
//	go test ./dev/sentinel/noise                                     # a tenth of the tenant
//	go test ./dev/sentinel/noise -rule SailPointISCBruteForce -v     # one rule, with its alerts
//	make noise                                                       # the whole tenant: writes sentinel/noise.csv
package noise
