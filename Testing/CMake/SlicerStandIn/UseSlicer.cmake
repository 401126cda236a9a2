# Stands in for UseSlicer.cmake. With -DSTANDIN_PYTHON_ONLY=ON it lacks the CLI macro, as does the use file that the
# Extensions Index makes to package extensions of Python alone.
if(NOT DEFINED EXTENSION_NAME)
  set(EXTENSION_NAME ${PROJECT_NAME})
endif()
if(NOT PROJECT_NAME STREQUAL EXTENSION_NAME)
  message(FATAL_ERROR "packaging is skipped: project ${PROJECT_NAME} is not named as the extension ${EXTENSION_NAME}")
endif()

include(ctkMacroCompilePythonScript)
include(ScriptedModule)
if(NOT STANDIN_PYTHON_ONLY)
  include(SlicerMacroBuildScriptedCLI)
endif()
include(CTest)
