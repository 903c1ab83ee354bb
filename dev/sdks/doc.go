// Package sdks tries the stand-ins with the clients that SailPoint and Microsoft
// publish: sailpoint-api-client and @azure/monitor-ingestion in JavaScript, azlogs, azidentity,
// armappservice, armresourcegraph and azsecrets in Go. What those can't do with a stand-in, the service would not do either,
// or the stand-in is wrong.
//
// It is a module of its own, so that the clients never weigh on the product's dependencies.
package sdks
