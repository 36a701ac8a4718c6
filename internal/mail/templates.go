// Package mail renders emails and sends them. [NewTemplates] reads the templates, [NewSMTP] and [NewLog] return
// senders, and [Handler] uses both for the emails of the outbox.
//
// It does not decide who receives an email, or why.
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

// Message is a rendered email.
type Message struct {
	ID       string // for the Message-ID header (RFC 5322, section 3.6.4), without its angle brackets
	To       string
	Language string // a BCP 47 tag
	Subject  string // one line
	Text     string
	HTML     string
	Date     time.Time
}

// Templates are the templates of every email in every language.
type Templates struct {
	app       string // the application's address, without a trailing slash
	host      string // the right-hand side of every Message-ID
	languages []string
	byName    map[string]template // by the name of the template without its extension
}

// template is the template of one email in one language.
type template struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

// data are what templates can show. Text that users choose is on one line.
type data struct {
	Username  string
	NewEmail  string
	Device    string
	IPAddress string
	Link      string // with its one-time token; empty for emails without one
	App       string
	When      string
	Expires   string
	Language  string
}

// pageData is what HTML templates can show in addition.
type pageData struct {
	data
	Subject    string
	Button     string   // the label of the link
	Paragraphs []string // of the rendered text
}

// builtIn holds each template in each language as language/name.txt. Its first line is the subject, and its block
// "button" labels the link. layout.html is the page around the paragraphs of the text.
//
//go:embed templates
var builtIn embed.FS

const maxTemplate = 256 << 10 // bytes

const (
	layout  = "layout.html"
	english = "en"
	button  = "button"
)

// pages are the pages of the application that the links with a token open.
var pages = map[account.MailTemplate]string{
	account.Activation:        "/activate",
	account.PasswordReset:     "/reset-password",
	account.EmailConfirmation: "/confirm-email",
	account.EmailChangeNotice: "/cancel-email-change",
}

// NewTemplates returns the built-in templates, each replaced by the file of the same name in folder if there is one;
// folder may be empty. A language/name.html in the folder replaces layout.html for its template and language, and a new
// language needs a text for every template. Links lead to appURL, which has no trailing slash. Every template is
// rendered in every language with sample data; the error lists all problems by name and line, and files with other
// names than templates have. Names that begin with a dot are ignored.
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
	t := &Templates{app: appURL, host: hostOf(appURL), byName: map[string]template{}}
	err = errors.Join(t.parse(files), t.validate())
	if err != nil {
		return nil, fmt.Errorf("mail templates:\n%w", err)
	}
	return t, nil
}

// hostOf returns the host of a URL for a Message-ID, or localhost.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Hostname() != "" && !strings.Contains(u.Hostname(), ":") {
		return u.Hostname()
	}
	return "localhost"
}

var languageTag = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// reader reads the templates of a folder, and collects what is wrong with its files.
type reader struct {
	folder   fs.FS
	files    map[string]string
	problems []error
}

// read returns the templates in a folder by their names. It follows symbolic links.
func read(folder fs.FS) (map[string]string, error) {
	names, err := list(folder, ".")
	if err != nil {
		return nil, err
	}
	r := &reader{folder: folder, files: map[string]string{}}
	for _, name := range names {
		r.entry(name)
	}
	return r.files, errors.Join(r.problems...)
}

func (r *reader) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf(format, args...))
}

// entry reads the layout, or the templates of a language.
func (r *reader) entry(name string) {
	info, err := fs.Stat(r.folder, name)
	switch {
	case err != nil:
		r.problems = append(r.problems, err)
	case !info.IsDir() && name == layout:
		r.file(name)
	case !info.IsDir():
		r.problem("%s: is not a template; it can be named %s, or be a folder named after a language", name, layout)
	case !languageTag.MatchString(name):
		r.problem("%s: is not a language; it can be named by a tag, such as fr or pt-BR", name)
	default:
		r.language(name)
	}
}

// language reads the templates in the folder of a language.
func (r *reader) language(name string) {
	files, err := list(r.folder, name)
	if err != nil {
		r.problems = append(r.problems, err)
	}
	for _, file := range files {
		extension := path.Ext(file)
		known := slices.Contains(account.MailTemplates, account.MailTemplate(strings.TrimSuffix(file, extension)))
		if known && (extension == ".txt" || extension == ".html") {
			r.file(path.Join(name, file))
		} else {
			r.problem("%s: is not a template; it can be named %s, each with .txt or .html",
				path.Join(name, file), templateNames())
		}
	}
}

// file reads a template of at most 256 KiB in UTF-8, without a byte order mark and with line feeds only.
func (r *reader) file(name string) {
	info, err := fs.Stat(r.folder, name)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxTemplate) {
		err = fmt.Errorf("%s: is not a file of at most %d KiB", name, maxTemplate>>10)
	}
	var content []byte
	if err == nil {
		content, err = fs.ReadFile(r.folder, name)
	}
	if err == nil && !utf8.Valid(content) {
		err = fmt.Errorf("%s: is not valid UTF-8", name)
	}
	if err != nil {
		r.problems = append(r.problems, err)
		return
	}
	r.files[name] = strings.ReplaceAll(strings.TrimPrefix(string(content), "\uFEFF"), "\r\n", "\n")
}

// list returns the names in a folder without the hidden ones.
func list(folder fs.FS, name string) (names []string, err error) {
	entries, err := fs.ReadDir(folder, name)
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

func templateNames() string {
	names := make([]string, len(account.MailTemplates))
	for i, kind := range account.MailTemplates {
		names[i] = string(kind)
	}
	return strings.Join(names, ", ")
}

// parse parses the files that are valid, and returns what is wrong with the others.
func (t *Templates) parse(files map[string]string) error {
	sheet, err := htmltemplate.New(layout).Parse(files[layout])
	var problems []error
	if err != nil {
		problems = append(problems, trimError(err))
	}
	t.languages = languagesOf(files)
	for _, language := range t.languages {
		problems = append(problems, t.parseLanguage(language, files, sheet)...)
	}
	return errors.Join(problems...)
}

// languagesOf returns the languages of the files, English first, the others sorted.
func languagesOf(files map[string]string) []string {
	languages := []string{english}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if language := path.Dir(name); language != "." && !slices.Contains(languages, language) {
			languages = append(languages, language)
		}
	}
	return languages
}

// parseLanguage parses the templates of one language. Those without a page of their own get the sheet.
func (t *Templates) parseLanguage(
	language string, files map[string]string, sheet *htmltemplate.Template,
) (problems []error) {
	var missing []string
	for _, kind := range account.MailTemplates {
		name := path.Join(language, string(kind))
		text, ok := files[name+".txt"]
		if !ok {
			missing = append(missing, string(kind)+".txt")
			continue
		}
		parsed := template{html: sheet}
		var textErr, htmlErr error
		parsed.text, textErr = texttemplate.New(name + ".txt").Parse(text)
		if page, ok := files[name+".html"]; ok {
			parsed.html, htmlErr = htmltemplate.New(name + ".html").Parse(page)
		}
		for _, err := range []error{textErr, htmlErr} {
			if err != nil {
				problems = append(problems, trimError(err))
			}
		}
		if parsed.text != nil && parsed.html != nil {
			t.byName[name] = parsed
		}
	}
	if missing != nil {
		problems = append(problems, fmt.Errorf("%s: lacks %s", language, strings.Join(missing, ", ")))
	}
	return problems
}

// validate renders every template with the most and with the least data that there can be, and returns each problem
// once.
func (t *Templates) validate() error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(t.byName)) {
		language, kind := path.Split(name)
		full := sample(account.MailTemplate(kind))
		least := full
		least.Device, least.IPAddress = "", ""
		for _, m := range []account.Mail{full, least} {
			err := t.validateOne(m, path.Clean(language))
			if err != nil && !slices.ContainsFunc(problems, func(p error) bool { return p.Error() == err.Error() }) {
				problems = append(problems, err)
			}
		}
	}
	return errors.Join(problems...)
}

func (t *Templates) validateOne(m account.Mail, language string) error {
	message, err := t.render(m, language)
	if err != nil {
		return err
	}
	w, link := t.byName[path.Join(language, string(m.Template))], t.link(m)
	switch {
	case strings.Count(message.Text, link) != 1 && link != "":
		return fmt.Errorf("%s: must show {{.Link}} once", w.text.Name())
	case !strings.Contains(html.UnescapeString(message.HTML), link):
		return fmt.Errorf("%s: does not show the link", w.html.Name())
	}
	return nil
}

// Languages returns the languages, English first, the others sorted.
func (t *Templates) Languages() []string { return slices.Clone(t.languages) }

// Render returns an email in the language that its recipient prefers.
func (t *Templates) Render(m account.Mail) (Message, error) {
	return t.render(m, account.MatchLanguage(m.Languages, t.languages))
}

// Sample returns an email with sample data. It fails when there is no such template or language.
func (t *Templates) Sample(kind account.MailTemplate, language string) (Message, error) {
	if !slices.Contains(t.languages, language) {
		return Message{}, fmt.Errorf("unknown language %q; there are %s", language, strings.Join(t.languages, ", "))
	}
	return t.render(sample(kind), language)
}

// sample returns an email with all data that its template can show.
func sample(kind account.MailTemplate) account.Mail {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	return account.Mail{
		ID:        account.IDOf(account.MailKind, [16]byte{}),
		Template:  kind,
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

// link returns the link of an email, or "". The token is in the fragment, which browsers do not send (RFC 3986, section
// 3.5).
func (t *Templates) link(m account.Mail) string {
	if page, ok := pages[m.Template]; ok {
		return t.app + page + "#token=" + m.Token
	}
	return ""
}

func (t *Templates) render(m account.Mail, language string) (Message, error) {
	w, ok := t.byName[path.Join(language, string(m.Template))]
	if !ok {
		return Message{}, fmt.Errorf("unknown mail template %q; there are %s", m.Template, templateNames())
	}
	username := oneLine(m.Username)
	if m.Template != account.UsernameReminder { // its username is there to be copied
		username = defangLinks(username)
	}
	p := pageData{data: data{
		Username:  username,
		NewEmail:  oneLine(m.NewEmail),
		Device:    defangLinks(oneLine(m.Device)),
		IPAddress: oneLine(m.IPAddress),
		Link:      t.link(m),
		App:       t.app,
		When:      formatTime(m.CreatedAt),
		Expires:   formatTime(m.ExpiresAt),
		Language:  language,
	}}
	var out strings.Builder
	if err := w.text.Execute(&out, p.data); err != nil {
		return Message{}, trimError(err)
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
		if err := label.Execute(&out, p.data); err != nil {
			return Message{}, trimError(err)
		}
		p.Button = oneLine(out.String())
	}
	out.Reset()
	if err := w.html.Execute(&out, p); err != nil {
		return Message{}, trimError(err)
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

// paragraphs returns the texts between empty lines.
func paragraphs(body string) (all []string) {
	for paragraph := range strings.SplitSeq(body, "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
			all = append(all, paragraph)
		}
	}
	return all
}

// oneLine returns text with a space for everything that could break or reorder a line, or is not valid Unicode.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)), " ")
}

// defangLinks returns text that others chose with an invisible character (U+2060) where mail programs would turn it
// into a link, such as www.example.com.
func defangLinks(text string) string { return linkJoints.Replace(text) }

var linkJoints = strings.NewReplacer(".", ".\u2060", "/", "/\u2060", ":", ":\u2060")

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// trimError returns an error of a template without the name of the library before that of the file.
func trimError(err error) error {
	message := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "html/"), "template:")
	return errors.New(strings.TrimSpace(message))
}
