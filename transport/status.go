package transport

import (
	"errors"
	"net/http"
)

// HTTPStatus is the status of the answer, without a batch, to a request that could not be read as
// holdfast (HF1-HTTP-03). It is made from an error of [ReadRequest] or of a transport's Accept.
// Every other outcome is a 200 with a batch. An unknown error is a 400: the request could not be
// read, and the client takes any status but 200 as a fault of the Conn.
func HTTPStatus(err error) int {
	var status *StatusError
	switch {
	case errors.As(err, &status):
		return status.Status
	case errors.Is(err, ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrSlow):
		return http.StatusRequestTimeout
	case errors.Is(err, ErrMedia):
		return http.StatusUnsupportedMediaType
	default:
		return http.StatusBadRequest
	}
}

// SetHeaders sets the headers of every answer, errors included (HF1-HTTP-05).
func SetHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}
