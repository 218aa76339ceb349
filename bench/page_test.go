package bench

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gosync/internal/need"
)

// TestPageIsSelfContained looks at the page's text: nothing is loaded, nothing runs, and every tag is closed.
func TestPageIsSelfContained(t *testing.T) {
	t.Parallel()
	var html bytes.Buffer
	if err := example(Shape{RTT: time.Millisecond}, "").writePage(&html); err != nil {
		t.Fatal(err)
	}
	text := html.String()
	for _, bad := range []string{"<script", "<link", "<img", "<iframe", "src=", "href=", "url(", "@import", "onload"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	d := xml.NewDecoder(strings.NewReader(regexp.MustCompile(`<meta[^>]*>`).ReplaceAllString(text, ""))) // which has no end
	counts := map[string]int{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			counts[start.Name.Local]++
		}
	}
	// Three data sets, seven tools; two pairs have no time, which leaves 19 with five runs each.
	if counts["circle"] != 19*5 || counts["rect"] != 19 || counts["svg"] != 19+3 {
		t.Errorf("%d dots, %d intervals, %d plots", counts["circle"], counts["rect"], counts["svg"])
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	for most := 0.0003; most < 5000; most *= 1.17 {
		step, end := scale(most)
		if marks := end / step; end < most || marks < 1.9 || marks > 6.1 {
			t.Errorf("up to %v: %v marks up to %v", most, marks, end)
		}
	}
	if _, end := scale(0); end != 1 {
		t.Errorf("an axis for nothing ends at %v", end)
	}
}

// chromium returns the program, or ends the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	need.Missing(t, "chromium", "chromium is missing: apt-get install -y --no-install-recommends chromium")
	return ""
}

// browse opens an address in a headless browser with a profile of its own.
func browse(t *testing.T, program, address string, more ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	args := append([]string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions", "--hide-scrollbars",
		"--disable-background-networking", "--disable-component-update", "--user-data-dir=" + filepath.Join(t.TempDir(), "profile"), "--timeout=60000",
	}, more...)
	cmd := exec.CommandContext(ctx, program, append(args, address)...)
	cmd.WaitDelay = 10 * time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, said.String())
	}
	return out
}

// frame shows the page in a frame as wide as a phone, since windows cannot be that narrow, and writes what it finds there
// into its own title.
const frame = `<!DOCTYPE html><title>waiting</title><style>body{margin:0}iframe{border:0;width:%dpx;height:2600px}</style>
<iframe src="/bench.html"></iframe><script>
document.querySelector("iframe").onload = e => {
  const d = e.target.contentDocument, w = d.documentElement, at = s => getComputedStyle(d.querySelector(s));
  const out = [...d.querySelectorAll("h1,h2,p,li,svg,.tool,.value")].filter(x => x.getBoundingClientRect().right > w.clientWidth + 0.5).length;
  const small = [...d.querySelectorAll("p,li,td,.tool,.value")].filter(x => parseFloat(getComputedStyle(x).fontSize) < 12).length;
  document.title = ["seen", w.clientWidth, w.scrollWidth, out, small, d.querySelectorAll("circle").length, at("body").backgroundColor, at("body").color].join(";");
};
</script>`

// TestPageInBrowser opens the page in a browser: on a phone nothing is wider than the screen and no text is tiny, light
// and dark differ, the picture shows something, and print has pages.
func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	program := chromium(t)
	dir := t.TempDir()
	r := example(Shape{RTT: 40 * time.Millisecond, Rate: 12.5e6}, "")
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var width int
		if n, _ := fmt.Sscanf(q.URL.Path, "/frame/%d", &width); n == 1 {
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprintf(w, frame, width)
			return
		}
		files.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)

	grounds := map[string]bool{}
	for _, look := range []struct {
		width int
		dark  bool
	}{{390, false}, {390, true}, {1100, false}} {
		more := []string{"--dump-dom", "--window-size=1200,3000", "--virtual-time-budget=10000"}
		if look.dark {
			more = append(more, "--blink-settings=preferredColorScheme=0")
		} else {
			more = append(more, "--blink-settings=preferredColorScheme=1")
		}
		dom := string(browse(t, program, fmt.Sprintf("%s/frame/%d", server.URL, look.width), more...))
		_, title, _ := strings.Cut(dom, "<title>seen;")
		title, _, _ = strings.Cut(title, "</title>")
		got := strings.Split(title, ";")
		if len(got) != 7 {
			t.Fatalf("%v: the browser has not seen the page: %.500s", look, dom)
		}
		grounds[got[5]] = true
		want := []string{fmt.Sprint(look.width), fmt.Sprint(look.width), "0", "0", "95"}
		if strings.Join(got[:5], ";") != strings.Join(want, ";") {
			t.Errorf("%v: width, width of what is in it, elements beyond, elements that are tiny, dots: %q, want %q", look, got[:5], want)
		}
	}
	if len(grounds) != 2 {
		t.Errorf("light and dark have the grounds %v", grounds)
	}
	shot := filepath.Join(dir, "shot.png")
	browse(t, program, server.URL+"/frame/390", "--screenshot="+shot, "--window-size=520,2600", "--virtual-time-budget=10000")
	if n := colours(t, shot); n < 20 {
		t.Errorf("the picture has %d colours", n)
	}
	pdf := filepath.Join(dir, "print.pdf")
	browse(t, program, server.URL+"/bench.html", "--print-to-pdf="+pdf, "--no-pdf-header-footer")
	if data, err := os.ReadFile(pdf); err != nil || !bytes.HasPrefix(data, []byte("%PDF-")) || len(data) < 10_000 {
		t.Errorf("printing made %d bytes, %v", len(data), err)
	}
}

// colours counts the colours of the middle half of a picture.
func colours(t *testing.T, name string) int {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[3]uint32]bool{}
	b := picture.Bounds()
	middle := image.Rect(b.Min.X, b.Min.Y+b.Dy()/4, b.Max.X, b.Min.Y+3*b.Dy()/4)
	for y := middle.Min.Y; y < middle.Max.Y; y++ {
		for x := middle.Min.X; x < middle.Max.X; x++ {
			red, green, blue, _ := picture.At(x, y).RGBA()
			seen[[3]uint32{red, green, blue}] = true
		}
	}
	return len(seen)
}
