# Stands in for the SlicerConfig.cmake of a Slicer build tree: the variables and macros that a scripted extension uses,
# with Slicer's folder layout, and refusing what Slicer refuses. Made for the tests; it knows nothing of C++ modules.
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/CMake/GenerateConfig.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/CMake/ExtensionCPack.cmake")
set(Slicer_USE_PYTHONQT ON)

set(_lib "lib/Slicer-5.10")
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "${_lib}/qt-scripted-modules")
set(Slicer_CLIMODULES_BIN_DIR "${_lib}/cli-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "./${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
set(Slicer_INSTALL_CLIMODULES_BIN_DIR "./${Slicer_CLIMODULES_BIN_DIR}")

list(PREPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}/CMake")
set(Slicer_FOUND TRUE)
