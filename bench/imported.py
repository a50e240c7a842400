"""`python -m bench.imported MODULE UNWANTED…`: how long an import takes in a fresh interpreter.

It imports nothing else that would make the module's own import shorter.
"""

import importlib
import sys
import time

if __name__ == "__main__":
    wall, cpu = time.perf_counter(), time.process_time()
    importlib.import_module(sys.argv[1])
    taken = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    import json

    unwanted = [name for name in sys.argv[2:] if name in sys.modules]
    print(json.dumps({**taken, "modules": len(sys.modules), "codecs": unwanted}))
