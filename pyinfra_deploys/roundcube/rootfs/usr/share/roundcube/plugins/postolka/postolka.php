<?php
// From pyinfra_deploys/roundcube/rootfs/usr/share/roundcube/plugins/postolka/postolka.php: change it
// there.

/**
 * What this server adds to Roundcube.
 *
 * Above each mail stands what the server found of its sender (RFC 8601). Others' findings aren't shown:
 * a header says who wrote it, and OpenDKIM takes away what comes from outside under this server's name.
 * And Dovecot is told for whom a connection from loopback is made (its login_trusted_networks): else
 * one guesser of passwords would have every login wait.
 */
class postolka extends rcube_plugin
{
    /** The methods that say something of the author, as people know them. */
    private const METHODS = ['dkim' => 'DKIM', 'spf' => 'SPF', 'dmarc' => 'DMARC'];
    private const HEADER = 'AUTHENTICATION-RESULTS';
    /** An element of an address, a domain or a selector: what stands after "header.d=" and its like. */
    private const PROPERTY = '/\b(?:header\.(?:d|from)|smtp\.(?:mailfrom|helo))=(?:[^\s;"@]*@)?([A-Za-z0-9._-]+)/';

    public function init()
    {
        $this->add_hook('storage_init', [$this, 'fetch_header']);
        $this->add_hook('storage_connect', [$this, 'tell_client']);
        $this->add_hook('message_objects', [$this, 'show_results']);
    }

    public function fetch_header($args)
    {
        $args['fetch_headers'] = trim(($args['fetch_headers'] ?? '') . ' ' . self::HEADER);
        return $args;
    }

    public function tell_client($args)
    {
        $args['preauth_ident'] = ['x-originating-ip' => rcube_utils::remote_addr()];
        return $args;
    }

    /** Add a box above the text: the skin hides most headers until somebody asks for them. */
    public function show_results($args)
    {
        $ours = rcmail::get_instance()->config->get('postolka_authserv_id');
        $found = [];
        foreach ((array) $args['message']->headers->get(self::HEADER, false) as $header) {
            $found = array_merge($found, self::results($header, $ours));
        }
        if ($found) {
            $kind = preg_grep('/^\S+ (fail|softfail|permerror)\b/', $found) ? 'boxwarning' : 'boxinformation';
            $text = 'Sender: ' . implode(', ', array_unique($found));
            $args['content'][] = html::div("postolka-results $kind", html::span(null, rcube::Q($text)));
        }
        return $args;
    }

    /** Return "METHOD result (domain)" of each result in a header of $ours, none of another's. */
    private static function results($header, $ours)
    {
        // Comments may hold anything, a semicolon, too.
        $text = preg_replace('/\([^()]*\)/', ' ', $header);
        $parts = array_map('trim', explode(';', $text));
        if (strtolower(strtok(array_shift($parts), " \t")) !== $ours) {
            return [];
        }
        $found = [];
        foreach ($parts as $part) {
            if (preg_match('/^(dkim|spf|dmarc)\s*=\s*([a-z]+)/i', $part, $match)) {
                $of = preg_match(self::PROPERTY, $part, $property) ? " ({$property[1]})" : '';
                $found[] = self::METHODS[strtolower($match[1])] . ' ' . strtolower($match[2]) . $of;
            }
        }
        return $found;
    }
}
