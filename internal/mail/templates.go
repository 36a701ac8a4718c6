// Package mail puts letters into words and sends them, by SMTP or to the log. Whom to write to, and why, is decided
// elsewhere.
package mail

import (
	"embed"
	"errors"
	"fmt"
	"html"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"latchkey/internal/account"
)

// Message is a mail in words, ready to be sent.
type Message struct {
	ID       string // for the Message-ID header (RFC 5322, section 3.6.4), without its angle brackets
	To       string
	Language string // a BCP 47 tag
	Subject  string // one line
	Text     string
	HTML     string
	Date     time.Time
}

// Templates are the words of every letter in every language.
type Templates struct {
	app       string // the application's address, without a trailing slash
	host      string // the right-hand side of every Message-ID
	languages []string
	letters   map[string]words // by the name of the template without its extension
}

// words are the templates of one letter in one language.
type words struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

// values is what templates may show. Whatever users can choose is on one line here.
type values struct {
	Username  string
	NewEmail  string
	Device    string
	IPAddress string
	Link      string // with its one-time token; empty for letters without one
	App       string
	When      string
	Expires   string
	Language  string
}

// page is what templates of HTML may show beyond that.
type page struct {
	values
	Subject    string
	Button     string   // what stands on the button of the link
	Paragraphs []string // of the rendered text
}

// builtIn holds each letter in each language as language/letter.txt. Its first line is the subject, and its block
// "button" labels the link. layout.html makes a page of the text's paragraphs.
//
//go:embed templates
var builtIn embed.FS

const maxTemplate = 256 << 10 // bytes

const (
	layout  = "layout.html"
	english = "en"
	button  = "button"
)

// pages are where in the application the links of letters with a token lead.
var pages = map[account.MailTemplate]string{
	account.Activation:        "/activate",
	account.PasswordReset:     "/reset-password",
	account.EmailConfirmation: "/confirm-email",
	account.EmailChangeNotice: "/cancel-email-change",
}

// NewTemplates returns the built-in templates, each replaced by the file of the same name in folder if there is one;
// "" stands for no folder. A language/letter.html in the folder replaces layout.html for its letter and language, and a
// new language comes with a text for every letter. Links lead to appURL, which has no trailing slash. Every letter is
// tried in every language, and what is wrong with them is told all at once, by name and line; so is a file that has
// the name of no template. Names that begin with a dot are ignored.
func NewTemplates(folder, appURL string) (*Templates, error) {
	inside, err := fs.Sub(builtIn, "templates")
	if err != nil {
		return nil, err
	}
	files, err := read(inside)
	if err != nil {
		return nil, err
	}
	if folder != "" {
		own, err := read(os.DirFS(folder))
		if err != nil {
			return nil, fmt.Errorf("mail templates in %s:\n%w", folder, err)
		}
		maps.Copy(files, own)
	}
	t := &Templates{app: appURL, host: hostOf(appURL), letters: map[string]words{}}
	err = errors.Join(t.parse(files), t.try())
	if err != nil {
		return nil, fmt.Errorf("mail templates:\n%w", err)
	}
	return t, nil
}

// hostOf returns the host of a URL as a Message-ID may have it, or localhost.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Hostname() != "" && !strings.Contains(u.Hostname(), ":") {
		return u.Hostname()
	}
	return "localhost"
}

var tag = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// read returns the templates in a folder by their names. It follows symbolic links.
func read(folder fs.FS) (map[string]string, error) {
	files := map[string]string{}
	var problems []error
	add := func(name string, possible bool, names string) {
		if !possible {
			problems = append(problems, fmt.Errorf("%s: is no template; it can be named %s", name, names))
			return
		}
		info, err := fs.Stat(folder, name)
		if err == nil && (!info.Mode().IsRegular() || info.Size() > maxTemplate) {
			err = fmt.Errorf("%s: is not a file of at most %d KiB", name, maxTemplate>>10)
		}
		var content []byte
		if err == nil {
			content, err = fs.ReadFile(folder, name)
		}
		if err == nil && !utf8.Valid(content) {
			err = fmt.Errorf("%s: is not valid UTF-8", name)
		}
		if err != nil {
			problems = append(problems, err)
			return
		}
		files[name] = strings.ReplaceAll(strings.TrimPrefix(string(content), "\uFEFF"), "\r\n", "\n")
	}
	names, err := list(folder, ".")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		info, err := fs.Stat(folder, name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if !info.IsDir() {
			add(name, name == layout, layout+", or be a folder named after a language")
			continue
		}
		if !tag.MatchString(name) {
			problems = append(problems,
				fmt.Errorf("%s: is no language; it can be named by a tag, such as fr or pt-BR", name))
			continue
		}
		inner, err := list(folder, name)
		if err != nil {
			problems = append(problems, err)
		}
		for _, file := range inner {
			extension := path.Ext(file)
			letter := account.MailTemplate(strings.TrimSuffix(file, extension))
			possible := slices.Contains(account.MailTemplates, letter) && (extension == ".txt" || extension == ".html")
			add(path.Join(name, file), possible, letterNames()+", each with .txt or .html")
		}
	}
	return files, errors.Join(problems...)
}

// list returns the names in a folder, but for hidden ones.
func list(folder fs.FS, name string) (names []string, err error) {
	entries, err := fs.ReadDir(folder, name)
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

func letterNames() string {
	names := make([]string, len(account.MailTemplates))
	for i, letter := range account.MailTemplates {
		names[i] = string(letter)
	}
	return strings.Join(names, ", ")
}

// parse takes over what can be read of the files and returns what is wrong with the rest.
func (t *Templates) parse(files map[string]string) error {
	var problems []error
	note := func(err error) {
		if err != nil {
			problems = append(problems, plain(err))
		}
	}
	sheet, err := htmltemplate.New(layout).Parse(files[layout])
	note(err)
	t.languages = []string{english}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if language := path.Dir(name); language != "." && !slices.Contains(t.languages, language) {
			t.languages = append(t.languages, language)
		}
	}
	for _, language := range t.languages {
		var missing []string
		for _, letter := range account.MailTemplates {
			name := path.Join(language, string(letter))
			content, ok := files[name+".txt"]
			if !ok {
				missing = append(missing, string(letter)+".txt")
				continue
			}
			w := words{html: sheet}
			w.text, err = texttemplate.New(name + ".txt").Parse(content)
			note(err)
			if own, ok := files[name+".html"]; ok {
				w.html, err = htmltemplate.New(name + ".html").Parse(own)
				note(err)
			}
			if w.text != nil && w.html != nil {
				t.letters[name] = w
			}
		}
		if missing != nil {
			note(fmt.Errorf("%s: lacks %s", language, strings.Join(missing, ", ")))
		}
	}
	return errors.Join(problems...)
}

// try renders everything that could be parsed, with as much data and with as little as there can be, and returns what
// goes wrong, each thing once.
func (t *Templates) try() error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(t.letters)) {
		language, letter := path.Split(name)
		full := sample(account.MailTemplate(letter))
		least := full
		least.Device, least.IPAddress = "", ""
		for _, m := range []account.Mail{full, least} {
			err := t.tryOne(m, path.Clean(language))
			if err != nil && !slices.ContainsFunc(problems, func(p error) bool { return p.Error() == err.Error() }) {
				problems = append(problems, err)
			}
		}
	}
	return errors.Join(problems...)
}

func (t *Templates) tryOne(m account.Mail, language string) error {
	message, err := t.render(m, language)
	if err != nil {
		return err
	}
	w, link := t.letters[path.Join(language, string(m.Letter))], t.link(m)
	switch {
	case strings.Count(message.Text, link) != 1 && link != "":
		return fmt.Errorf("%s: must show {{.Link}} once", w.text.Name())
	case !strings.Contains(html.UnescapeString(message.HTML), link):
		return fmt.Errorf("%s: does not show the link", w.html.Name())
	}
	return nil
}

// Languages returns the languages there are, English first, the others sorted.
func (t *Templates) Languages() []string { return slices.Clone(t.languages) }

// Render returns a mail in words, in the language its reader prefers of those there are.
func (t *Templates) Render(m account.Mail) (Message, error) {
	return t.render(m, account.MatchLanguage(m.Languages, t.languages))
}

// Sample returns a letter in a language as somebody made up would get it. It fails when there is no such letter or
// language.
func (t *Templates) Sample(letter account.MailTemplate, language string) (Message, error) {
	if !slices.Contains(t.languages, language) {
		return Message{}, fmt.Errorf("there is no language %q; there are %s", language, strings.Join(t.languages, ", "))
	}
	return t.render(sample(letter), language)
}

// sample returns a mail with everything in it that its letter may have.
func sample(letter account.MailTemplate) account.Mail {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	return account.Mail{
		ID:        account.IDOf(account.MailKind, [16]byte{}),
		Letter:    letter,
		To:        "mario@example.com",
		Username:  "mario",
		NewEmail:  "mario.rossi@example.com",
		Device:    "Firefox on Linux",
		IPAddress: "192.0.2.1",
		Token:     "this-is-a-sample-and-opens-nothing",
		CreatedAt: now,
		ExpiresAt: now.Add(time.Hour),
	}
}

// link returns where the letter leads, if anywhere. The token is in the fragment, which browsers do not send (RFC 3986,
// section 3.5).
func (t *Templates) link(m account.Mail) string {
	if page, ok := pages[m.Letter]; ok {
		return t.app + page + "#token=" + m.Token
	}
	return ""
}

func (t *Templates) render(m account.Mail, language string) (Message, error) {
	w, ok := t.letters[path.Join(language, string(m.Letter))]
	if !ok {
		return Message{}, fmt.Errorf("unknown mail template %q; there are %s", m.Letter, letterNames())
	}
	username := oneLine(m.Username)
	if m.Letter != account.UsernameReminder { // which is there to be copied
		username = unlinked(username)
	}
	p := page{values: values{
		Username:  username,
		NewEmail:  oneLine(m.NewEmail),
		Device:    unlinked(oneLine(m.Device)),
		IPAddress: oneLine(m.IPAddress),
		Link:      t.link(m),
		App:       t.app,
		When:      inWords(m.CreatedAt),
		Expires:   inWords(m.ExpiresAt),
		Language:  language,
	}}
	var out strings.Builder
	if err := w.text.Execute(&out, p.values); err != nil {
		return Message{}, plain(err)
	}
	first, body, _ := strings.Cut(out.String(), "\n")
	subject, ok := strings.CutPrefix(first, "Subject:")
	p.Subject = oneLine(subject)
	switch {
	case !ok || p.Subject == "":
		return Message{}, fmt.Errorf("%s:1: the first line must be Subject: and the subject", w.text.Name())
	case !strings.HasPrefix(body, "\n"):
		return Message{}, fmt.Errorf("%s:2: the second line must be empty", w.text.Name())
	}
	p.Paragraphs = paragraphs(body)
	if len(p.Paragraphs) == 0 {
		return Message{}, fmt.Errorf("%s:3: there is no text", w.text.Name())
	}
	if p.Link != "" {
		label := w.text.Lookup(button)
		if label == nil {
			return Message{}, fmt.Errorf("%s: lacks {{define %q}} with the label of the link", w.text.Name(), button)
		}
		out.Reset()
		if err := label.Execute(&out, p.values); err != nil {
			return Message{}, plain(err)
		}
		p.Button = oneLine(out.String())
	}
	out.Reset()
	if err := w.html.Execute(&out, p); err != nil {
		return Message{}, plain(err)
	}
	return Message{
		ID:       string(m.ID) + "@" + t.host,
		To:       m.To,
		Language: language,
		Subject:  p.Subject,
		Text:     strings.Join(p.Paragraphs, "\n\n") + "\n",
		HTML:     out.String(),
		Date:     m.CreatedAt,
	}, nil
}

// paragraphs returns what stands between empty lines.
func paragraphs(body string) (all []string) {
	for paragraph := range strings.SplitSeq(body, "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
			all = append(all, paragraph)
		}
	}
	return all
}

// oneLine returns text with a space for whatever could break a line, reorder one or is not valid Unicode.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)), " ")
}

// unlinked returns text that strangers chose with an invisible character (U+2060) where mail programs would make a link
// of it, as of www.example.com.
func unlinked(text string) string { return linkJoints.Replace(text) }

var linkJoints = strings.NewReplacer(".", ".\u2060", "/", "/\u2060", ":", ":\u2060")

func inWords(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// plain returns an error of a template without the name of the library before that of the file.
func plain(err error) error {
	message := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "html/"), "template:")
	return errors.New(strings.TrimSpace(message))
}
