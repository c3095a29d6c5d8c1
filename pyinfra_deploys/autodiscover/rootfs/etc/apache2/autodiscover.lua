-- Made from pyinfra_deploys/autodiscover/rootfs/etc/apache2/autodiscover.lua
-- Change it there: this file is part of the image.
--
-- Outlook's question for its settings (Autodiscover, POX). The answer is a file but for one word: without
-- a LoginName Outlook logs in by what stands before the @, and here the login is the whole address. So
-- the address is taken out of the question, where it may have no character that means something in XML.
-- https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxdscli/
-- https://httpd.apache.org/docs/2.4/mod/mod_lua.html

local ANSWER = "/etc/apache2/public/autodiscover.xml"
-- A question is some hundred bytes long.
local MOST_BYTES = 8192
local ADDRESS = "<EMailAddress>%s*([%w.!#$*+/=?^_{|}~-]+@[%w.-]+)%s*</EMailAddress>"

function answer(r)
    local body = r:requestbody(nil, MOST_BYTES)
    local address = body and body:match(ADDRESS)
    if not address then
        return 400
    end
    local file = assert(io.open(ANSWER))
    local text = file:read("a")
    file:close()
    r.content_type = "text/xml; charset=utf-8"
    r.headers_out["Cache-Control"] = "no-store"
    -- A function: in a text each % of the address would mean something.
    r:write((text:gsub("%%EMAILADDRESS%%", function() return address end)))
    return apache2.OK
end
