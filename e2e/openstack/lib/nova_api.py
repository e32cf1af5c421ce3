"""nova-api as a program, for releases that have only the WSGI application: nova_api.py PORT OPTION...

The options are those of every nova service. OS_NOVA_CONFIG_DIR and OS_NOVA_CONFIG_FILES name api-paste.ini.
"""

import sys

port = int(sys.argv.pop(1))

from nova import monkey_patch  # noqa: E402

monkey_patch.patch(backend='eventlet')

import socket  # noqa: E402

import eventlet  # noqa: E402
import eventlet.wsgi  # noqa: E402

from nova.api.openstack import wsgi_app  # noqa: E402

application = wsgi_app.init_application('osapi_compute', 'nova-api')
listener = eventlet.listen(('127.0.0.1', port), backlog=128)
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
eventlet.wsgi.server(listener, application, log_output=False,
                     max_size=200, socket_timeout=900)
