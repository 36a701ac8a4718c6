package mail

import (
	"bytes"
	"fmt"
	"html"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"latchkey/internal/account"
)

const app = "https://app.example.com/spa"

// write creates a temporary folder with the files.
func write(t testing.TB, files map[string]string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func load(t testing.TB, folder string) *Templates {
	t.Helper()
	templates, err := NewTemplates(folder, app)
	if err != nil {
		t.Fatal(err)
	}
	return templates
}

// label returns the block of a template that labels the link.
func label(text string) string { return `{{define "button"}}` + text + "{{end}}" }

// mailOf returns an email with all fields set.
func mailOf(template account.MailTemplate, languages string) account.Mail {
	return account.Mail{
		ID: "mail_0198c5a2-7f1e-7cc3-98c4-dc0c0c07398f", Template: template, To: "luigi@example.org", Languages: languages,
		Username: "luigi-r", NewEmail: "new@example.org", Device: "Netscape on BeOS", IPAddress: "2001:db8::7",
		Token:     "tok-en_42",
		CreatedAt: time.Date(2026, 5, 1, 12, 0, 59, 0, time.UTC),
		ExpiresAt: time.Date(2026, 5, 2, 1, 30, 0, 0, time.FixedZone("", 3600)),
	}
}

func TestTemplatesRendered(t *testing.T) {
	const when, expires = "2026-05-01 12:00 UTC", "2026-05-02 00:30 UTC"
	wants := map[account.MailTemplate][]string{
		account.Activation:        {"/activate", expires},
		account.PasswordReset:     {"/reset-password", expires},
		account.EmailConfirmation: {"/confirm-email", expires},
		account.EmailChangeNotice: {"/cancel-email-change", expires, "new@example.org"},
		account.KnownAddress:      {"\n" + app + "\n"},
		account.UsernameReminder:  {app},
		account.EmailChanged:      {"\n" + app + "\n"},
		account.PasswordChanged:   {"\n" + app + "\n", when, "2001:db8::7"},
		account.UsernameChanged:   {"\n" + app + "\n"},
		account.AccountDeleted:    {app, when, "2001:db8::7"},
		account.NewDevice:         {"\n" + app + "\n", when, "2001:db8::7", "Netscape on BeOS"},
	}
	quoted := map[string]string{"en": "“luigi-r”", "de": "„luigi-r“", "es": "«luigi-r»"}
	templates := load(t, "")
	if have := templates.Languages(); !slices.Equal(have, []string{"en", "de", "es"}) {
		t.Errorf("the languages are %s", have)
	}
	if len(wants) != len(account.MailTemplates) {
		t.Errorf("%d templates are tested", len(wants))
	}
	seen := map[string]bool{}
	for _, template := range account.MailTemplates {
		for _, language := range templates.Languages() {
			m := mailOf(template, language)
			have, err := templates.Render(m)
			if err != nil {
				t.Error(err)
				continue
			}
			wrong := func(format string, args ...any) {
				t.Helper()
				t.Errorf("%s/%s: %s\n%s\n%s", language, template, fmt.Sprintf(format, args...), have.Text, have.HTML)
			}
			if have.ID != string(m.ID)+"@app.example.com" || have.To != m.To || have.Language != language ||
				have.Date != m.CreatedAt {
				wrong("it is %+v", have)
			}
			if seen[have.Subject] || strings.Contains(have.Subject, m.Username) {
				wrong("the subject is %s", have.Subject)
			}
			seen[have.Subject] = true
			for _, want := range append(wants[template], quoted[language]) {
				if !strings.Contains(have.Text, want) {
					wrong("the text lacks %q", want)
				}
				if !strings.Contains(html.UnescapeString(have.HTML), want) && !strings.HasPrefix(want, "\n") {
					wrong("the HTML lacks %q", want)
				}
			}
			for _, text := range []string{have.Subject, have.Text, have.HTML} {
				for _, left := range []string{"<no value>", "{{", "}}", "ZgotmplZ"} {
					if strings.Contains(text, left) {
						wrong("the text has %s", left)
					}
				}
			}
			if strings.Count(have.HTML, `<html lang="`+language+`">`) != 1 {
				wrong("the page does not declare its language")
			}
			for _, remote := range []string{"src=", "url(", "<img", "<link", "<script", "@import"} {
				if strings.Contains(have.HTML, remote) {
					wrong("the page has %s", remote)
				}
			}
			links := 0
			if template.HasToken() {
				links = 1
				link := app + wants[template][0] + "#token=tok-en_42"
				if !strings.Contains(have.Text, "\n\n"+link+"\n\n") ||
					!strings.Contains(have.HTML, `<a class="button" href="`+link+`"`) {
					wrong("the link is not %s", link)
				}
			}
			if strings.Count(have.Text, "tok-en_42") != links || strings.Count(have.HTML, "tok-en_42") != 2*links ||
				strings.Count(have.HTML, `class="button"`) != links {
				wrong("the link is not in it %d times", links)
			}
			for line := range strings.SplitSeq(have.Text, "\n") {
				if len([]rune(line)) > 110 || line != strings.TrimSpace(line) {
					wrong("a line is %q", line)
				}
			}
		}
	}
}

func TestTemplatesOptionalFieldsEmpty(t *testing.T) {
	templates := load(t, "")
	m := mailOf(account.NewDevice, "en")
	m.Device, m.IPAddress = "", ""
	have, err := templates.Render(m)
	if err != nil || !strings.Contains(have.Text, "It was an unnamed device\non 2026-05-01 12:00 UTC.") {
		t.Errorf("%v\n%s", err, have.Text)
	}
	m.Template = "no-such-template"
	if _, err := templates.Render(m); err == nil || !strings.Contains(err.Error(), "no-such-template") {
		t.Error(err)
	}
}

func TestRenderLanguageNegotiated(t *testing.T) {
	templates := load(t, "")
	for languages, want := range map[string]string{"": "en", "de-AT,en;q=0.5": "de", "fr": "en", "\x00": "en"} {
		if have, err := templates.Render(mailOf(account.Activation, languages)); err != nil || have.Language != want {
			t.Errorf("%q: got %s: %v", languages, have.Language, err)
		}
	}
}

func TestMessageIDFromAppURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://app.example.com":      "m@app.example.com",
		"https://app.example.com:8443": "m@app.example.com",
		"http://127.0.0.1:5173":        "m@127.0.0.1",
		"http://[::1]:5173":            "m@localhost",
		"":                             "m@localhost",
		"https://%zz":                  "m@localhost",
	} {
		templates, err := NewTemplates("", url)
		if err != nil {
			t.Fatal(err)
		}
		have, err := templates.Render(account.Mail{ID: "m", Template: account.UsernameReminder})
		if err != nil || have.ID != want {
			t.Errorf("%q: got %s: %v", url, have.ID, err)
		}
	}
}

func TestRenderEscapesUserText(t *testing.T) {
	templates := load(t, "")
	for _, trick := range []string{
		"<a href=https://evil.example>here</a>", `"><script>alert(1)</script>`, "{{.Link}}", "&lt;b&gt;",
		"x\n\n" + app + "/activate#token=tok-en_42\n\nx", "x\r\n\r\n" + app + "\r\n\r\nx",
		"\u202egnihtemos", "a\x00b\xffc",
	} {
		for _, template := range account.MailTemplates {
			m := mailOf(template, "en")
			plain, err := templates.Render(m)
			if err != nil {
				t.Fatal(err)
			}
			m.Username, m.NewEmail, m.Device, m.IPAddress = trick, trick, trick, trick
			have, err := templates.Render(m)
			if err != nil {
				t.Fatal(err)
			}
			if have.Subject != plain.Subject || strings.Count(have.Text, "\n\n") != strings.Count(plain.Text, "\n\n") ||
				strings.Count(have.HTML, "<") != strings.Count(plain.HTML, "<") ||
				strings.ContainsAny(have.Text+have.HTML, "\u202e\x00\r\ufffd") {
				t.Errorf("%q is in\n%s\n%s", trick, have.Text, have.HTML)
			}
		}
	}
}

func TestTemplatesOverridden(t *testing.T) {
	templates := load(t, write(t, map[string]string{
		"layout.html":                   `<html lang="{{.Language}}">{{.Subject}}{{range .Paragraphs}}[{{.}}]{{end}}`,
		"de/activation.txt":             "Subject: Hallo\r\n\r\n{{.Username}}!\r\n\r\n{{.Link}}\r\n" + label("Los"),
		"de/activation.html":            `<b>{{.Username}}</b> <a href="{{.Link}}">{{.Button}}</a>`,
		".git/config":                   "hidden",
		"de/.activation.txt.swp":        "hidden",
		"..2026_05_01/de/activation.no": "hidden",
	}))
	have, err := templates.Render(mailOf(account.Activation, "de"))
	if err != nil {
		t.Fatal(err)
	}
	const link = app + "/activate#token=tok-en_42"
	if have.Subject != "Hallo" || have.Text != "luigi-r!\n\n"+link+"\n" ||
		have.HTML != `<b>luigi-r</b> <a href="`+link+`">Los</a>` {
		t.Errorf("it is %+v", have)
	}
	other, err := templates.Render(mailOf(account.UsernameReminder, "de"))
	if err != nil || !strings.HasPrefix(other.HTML, `<html lang="de">Ihr Benutzername[Jemand`) {
		t.Errorf("%v: %s", err, other.HTML)
	}
	other, err = templates.Render(mailOf(account.Activation, "en"))
	if err != nil || other.Subject != "Confirm your email address" || !strings.Contains(other.HTML, "["+link+"]") {
		t.Errorf("%v: %+v", err, other)
	}
}

// The folder is as Kubernetes mounts it: visible names are symbolic links to hidden ones.
func TestTemplatesSymbolicLinks(t *testing.T) {
	folder := write(t, map[string]string{"..1/de/username-reminder.txt": "Subject: Name\n\n{{.Username}}\n"})
	for name, target := range map[string]string{"..data": "..1", "de": "..data/de"} {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := load(t, folder).Sample(account.UsernameReminder, "de"); err != nil || have.Subject != "Name" {
		t.Errorf("%v: %+v", err, have)
	}
}

func TestTemplatesLanguageAdded(t *testing.T) {
	french := map[string]string{}
	for _, template := range account.MailTemplates {
		content, err := fs.ReadFile(builtIn, "templates/en/"+string(template)+".txt")
		if err != nil {
			t.Fatal(err)
		}
		french["fr/"+string(template)+".txt"] = strings.Replace(string(content), "Subject: ", "Subject: FR ", 1)
	}
	templates := load(t, write(t, french))
	if have := templates.Languages(); !slices.Equal(have, []string{"en", "de", "es", "fr"}) {
		t.Errorf("the languages are %s", have)
	}
	have, err := templates.Render(mailOf(account.NewDevice, "fr-CA"))
	if err != nil || have.Language != "fr" || !strings.HasPrefix(have.Subject, "FR ") {
		t.Errorf("%v: %+v", err, have)
	}
	delete(french, "fr/activation.txt")
	delete(french, "fr/new-device.txt")
	french["fr/new-device.html"] = "{{.Username}}"
	_, err = NewTemplates(write(t, french), app)
	if err == nil || !strings.HasSuffix(err.Error(), "\nfr: lacks activation.txt, new-device.txt") {
		t.Error(err)
	}
}

func TestTemplatesInvalid(t *testing.T) {
	for _, test := range []struct {
		files map[string]string
		want  []string // prefixes of the lines after the first
	}{
		{map[string]string{"de/activation.txt": "Subject: x\n\n{{.Link}\n"}, []string{"de/activation.txt:3: "}},
		{map[string]string{"de/activation.txt": "Subject: x\n\nx\n{{.Lnik}}\n"}, []string{"de/activation.txt:4:"}},
		{map[string]string{"de/activation.txt": "Subject: x\n\n{{nosuch}}\n"}, []string{"de/activation.txt:3: "}},
		{map[string]string{"de/activation.txt": "Subject: x\n\n{{.Link}}\n" + label("{{.No}}")},
			[]string{"de/activation.txt:4:"}},
		{map[string]string{"de/activation.txt": "Subject:\n\n{{.Link}}\n" + label("x")},
			[]string{"de/activation.txt:1: "}},
		{map[string]string{"de/activation.txt": "Subject: {{with .Nothing}}{{end}}\n\n{{.Link}}\n" + label("x")},
			[]string{"de/activation.txt:1:"}},
		{map[string]string{"de/activation.txt": "Hello\n\n{{.Link}}\n" + label("x")},
			[]string{"de/activation.txt:1: "}},
		{map[string]string{"de/activation.txt": "Subject: x\n{{.Link}}\n" + label("x")},
			[]string{"de/activation.txt:2: "}},
		{map[string]string{"de/activation.txt": "Subject: x\n\n" + label("x")}, []string{"de/activation.txt:3: "}},
		{map[string]string{"de/activation.txt": ""}, []string{"de/activation.txt:1: "}},
		{map[string]string{"de/activation.txt": "Subject: x\n\n{{.Link}}\n"}, []string{"de/activation.txt: lacks"}},
		{map[string]string{"de/activation.txt": "Subject: x\n\nx\n" + label("x")},
			[]string{"de/activation.txt: must show"}},
		{map[string]string{"de/activation.txt": "Subject: x\n\n{{.Link}} {{.Link}}\n" + label("x")},
			[]string{"de/activation.txt: must show"}},
		{map[string]string{"de/activation.txt": "Subject: \xff\n"}, []string{"de/activation.txt: is not valid"}},
		{map[string]string{"de/activation.html": "no link"}, []string{"de/activation.html: does not show"}},
		{map[string]string{"de/activation.html": "{{.Link}}\n{{end}}"}, []string{"de/activation.html:2: "}},
		{map[string]string{"de/activation.html": "{{.Link}}\n<a href='{{.Link}}"}, []string{"de/activation.html"}},
		{map[string]string{"es/new-device.txt": "Subject: x\n\nx{{with .IPAddress}}{{$.Good}}{{end}}"},
			[]string{"es/new-device.txt:3:"}},
		{map[string]string{"es/new-device.txt": "Subject: x\n\nx{{if not .IPAddress}}{{.Good}}{{end}}"},
			[]string{"es/new-device.txt:3:"}},
		{map[string]string{"layout.html": "<p>\n{{.Tilte}}"}, []string{"layout.html:2:"}},
		{map[string]string{"layout.html": "<p>\n{{range}}"}, []string{"layout.html:2: "}},
		{map[string]string{"layuot.html": "x"}, []string{"layuot.html: is not a template; it can be named layout.html"}},
		{map[string]string{"de/activaton.txt": "x"},
			[]string{"de/activaton.txt: is not a template; it can be named activation, "}},
		{map[string]string{"de/activation.text": "x"}, []string{"de/activation.text: is not a template"}},
		{map[string]string{"de/activation": "x"}, []string{"de/activation: is not a template"}},
		{map[string]string{"activation.txt": "x"}, []string{"activation.txt: is not a template"}},
		{map[string]string{"DE/activation.txt": "x"}, []string{"DE: is not a language"}},
		{map[string]string{"french/activation.txt": "x"}, []string{"french: is not a language"}},
		{map[string]string{"de/old/activation.txt": "x"}, []string{"de/old: is not a template"}},
		{map[string]string{"de/activation.txt/x": "x"}, []string{"de/activation.txt: is not a file"}},
		{map[string]string{"layuot.html": "x", "de/x.txt": "x", "es/x.txt": "x"},
			[]string{"de/x.txt: ", "es/x.txt: ", "layuot.html: "}},
		{map[string]string{"de/activation.txt": "{{", "es/new-device.txt": "Subject: x\n\n{{.X}}",
			"en/email-changed.txt": "x"},
			[]string{"de/activation.txt:1: ", "en/email-changed.txt:1: ", "es/new-device.txt:3:"}},
	} {
		_, err := NewTemplates(write(t, test.files), app)
		if err == nil {
			t.Errorf("%q is accepted", test.files)
			continue
		}
		lines := strings.Split(err.Error(), "\n")[1:]
		if !slices.EqualFunc(lines, test.want, strings.HasPrefix) {
			t.Errorf("%q: %v", test.files, err)
		}
	}
	folder := write(t, map[string]string{"file": "x"})
	for _, none := range []string{filepath.Join(folder, "none"), filepath.Join(folder, "file")} {
		if _, err := NewTemplates(none, app); err == nil || !strings.Contains(err.Error(), none) {
			t.Errorf("%s: %v", none, err)
		}
	}
}

func TestSampleUnknownNames(t *testing.T) {
	templates := load(t, "")
	have, err := templates.Sample(account.NewDevice, "de")
	if err != nil || have.Language != "de" || have.To != "mario@example.com" ||
		!strings.Contains(have.Text, "Es war „Firefox on Linux“\nam 2026-05-01 12:00 UTC von der IP-Adresse 192.0.2.1.") {
		t.Errorf("%v: %+v", err, have)
	}
	_, err = templates.Sample(account.NewDevice, "fr")
	if err == nil || !strings.HasSuffix(err.Error(), "there are en, de, es") {
		t.Error(err)
	}
	if _, err := templates.Sample("new-devise", "de"); err == nil || !strings.Contains(err.Error(), "new-device") {
		t.Error(err)
	}
}

func TestLogWritesMessage(t *testing.T) {
	var out bytes.Buffer
	var sender Sender = NewLog(slog.New(slog.NewTextHandler(&out, nil)))
	if err := sender.Send(t.Context(), testMessage); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"level=INFO msg=mail to=luigi@example.org", testMessage.Subject, "#token=x"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %q: %s", want, &out)
		}
	}
}

// A username reminder is the exception: its user has to copy the username.
func TestRenderDefangsLinks(t *testing.T) {
	templates := load(t, "")
	for _, template := range account.MailTemplates {
		m := mailOf(template, "en")
		m.Username, m.Device = "www.evil.example", "see https://evil.example/"
		have, err := templates.Render(m)
		if err != nil {
			t.Fatal(err)
		}
		linkable := strings.Contains(have.Text, "www.evil") || strings.Contains(have.Text, "https://evil")
		if linkable != (template == account.UsernameReminder) {
			t.Errorf("%s: %s", template, have.Text)
		}
	}
}

// FuzzRender uses arbitrary text as user input. The number of lines, tags and links must stay the same.
func FuzzRender(f *testing.F) {
	f.Add(uint8(0), uint8(0), "mario", "Firefox", "mario@example.com", "192.0.2.1")
	f.Add(uint8(3), uint8(1), "x\r\nBcc: y", "<b>&amp;", "a\n\nb", "\u2028\x00")
	f.Add(uint8(10), uint8(2), "{{.Link}}", app+"/activate#token=tok-en_42", "=?utf-8?q?=0a?=", "\xff\u202e")
	templates, sender := load(f, ""), &SMTP{}
	f.Fuzz(func(t *testing.T, number, language uint8, username, device, email, ip string) {
		template := account.MailTemplates[int(number)%len(account.MailTemplates)]
		m := mailOf(template, templates.languages[int(language)%len(templates.languages)])
		plain, err := templates.Render(m)
		if err != nil {
			t.Fatal(err)
		}
		m.Username, m.Device, m.NewEmail = username, device, email
		if oneLine(ip) != "" {
			m.IPAddress = ip
		}
		have, err := templates.Render(m)
		if err != nil {
			t.Fatal(err)
		}
		buttons := strings.Count(have.HTML, `<a class="button"`)
		switch {
		case have.Subject != plain.Subject || strings.ContainsFunc(have.Subject, unicode.IsControl):
			t.Errorf("the subject is %q", have.Subject)
		case (buttons == 1) != template.HasToken() || buttons > 1:
			t.Errorf("there are %d buttons in %s", buttons, have.HTML)
		case strings.Count(have.HTML, "<") != strings.Count(plain.HTML, "<"):
			t.Errorf("there is markup in %s", have.HTML)
		case strings.Count(have.Text, "\n") != strings.Count(plain.Text, "\n"):
			t.Errorf("there are more lines in %s", have.Text)
		}
		content, err := sender.compose(have, m.To)
		if err != nil {
			t.Fatal(err)
		}
		header, bodies := parts(t, content)
		if names := slices.Sorted(maps.Keys(header)); !slices.Equal(names, headers) {
			t.Errorf("the header has %s", names)
		}
		if header["Subject"] != have.Subject || header["To"] != "<"+m.To+">" ||
			header["Message-Id"] != "<"+have.ID+">" {
			t.Errorf("the header is %q", header)
		}
		if bodies["text/plain; charset=UTF-8"] != have.Text || bodies["text/html; charset=UTF-8"] != have.HTML {
			t.Errorf("the parts are %q", bodies)
		}
	})
}
