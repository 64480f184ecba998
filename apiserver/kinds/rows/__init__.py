"""How `kubectl get` shows each kind: columns, and how a row is made of an object. A kind's table is one value, `Table`."""
