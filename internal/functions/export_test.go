package functions

import "context"

// Quiet waits for what no request waits for. Stop comes first.
func (h *Handler) Quiet(ctx context.Context) { h.quiet(ctx) }
