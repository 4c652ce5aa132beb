"""From morphs and robot files to one compiled model: asset loading, composition, and what the engine refuses."""
