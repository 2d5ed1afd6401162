package inboxweb_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/inboxweb"
	"github.com/aihooks/aihooks-go/internal/test/memorybox"
)

// The service has a login, and every user may read the page. Only alice changes entries.
func Example() {
	user := func(r *http.Request) (string, error) {
		session, err := r.Cookie("session") // your sessions
		if err != nil {
			return "", errors.New("not logged in")
		}
		return session.Value, nil
	}
	box := new(memorybox.Box) // your inbox, such as that of sqliteinbox.Open("inbox.db", nil)
	page, err := inboxweb.New(box, inboxweb.Options{
		Visitor: user,
		May:     func(_ *http.Request, visitor string, _ inbox.Action) bool { return visitor == "alice" },
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ops/inbox/", http.StripPrefix("/ops/inbox", page))

	r := httptest.NewRequest(http.MethodGet, "/ops/inbox/", nil)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println("without a session:", w.Code)

	r.AddCookie(&http.Cookie{Name: "session", Value: "bob"})
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println("with a session:", w.Code)
	// Output:
	// without a session: 403
	// with a session: 200
}
