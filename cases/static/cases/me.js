// My page: says so where the browser does not tell what kind of network it is on.

document.getElementById("no-network-type").hidden = navigator.connection?.type !== undefined;
