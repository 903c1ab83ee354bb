package e2e_test

import (
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	sdk "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/idn-sentinel/idn-sentinel/dev/sandbox/azurite"
)

// useAzurite puts the state there. The returned function breaks the leases that
// a killed process left, as 30 s of waiting would.
func (w *world) useAzurite(s *azurite.Server) (freeLeases func()) {
	w.t.Helper()
	const container = "sailpoint-connector"
	w.env["STATE_URL"] = "azblob://" + container
	w.env["AZURE_STORAGE_ACCOUNT_NAME"], w.env["AZURE_STORAGE_ACCESS_KEY"] = s.AccountName, s.AccountKey
	w.env["AZURE_STORAGE_BLOB_ENDPOINT"] = s.ServiceURL
	admin, err := sdk.NewClientFromConnectionString(s.ConnectionString, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	box := admin.ServiceClient().NewContainerClient(container)
	return func() {
		for pages := box.NewListBlobsFlatPager(nil); pages.More(); {
			page, err := pages.NextPage(w.t.Context())
			if err != nil {
				w.t.Fatal(err)
			}
			for _, b := range page.Segment.BlobItems {
				if !strings.Contains(*b.Name, "/locks/") {
					continue
				}
				c, err := lease.NewBlobClient(box.NewBlobClient(*b.Name), nil)
				if err != nil {
					w.t.Fatal(err)
				}
				// One that is not leased answers with an error, and is as good.
				_, _ = c.BreakLease(w.t.Context(), &lease.BlobBreakOptions{BreakPeriod: to.Ptr[int32](0)})
			}
		}
	}
}
